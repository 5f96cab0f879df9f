"""Trained classifier to ONNX: fp32 with parity check, fused, int8."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

from bert_emotion.errors import ExportError
from bert_emotion.export.int8 import quantise_embeddings, spare_outliers

OPSET = 17
FP32_TOLERANCE = 1e-4


class _Graph(torch.nn.Module):  # type: ignore[misc]
    """The classifier with two inputs and one output, as the runtime calls it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.segments = "token_type_ids" in signature(model.forward).parameters

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        if not self.segments:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        # one segment, said outright: left to the model, the graph computes its length at every call
        segments = torch.zeros_like(input_ids)
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=segments).logits


def export_fp32(model: Any, path: Path) -> None:
    """Write the classifier as fp32 ONNX with inputs ``input_ids``, ``attention_mask`` and output ``logits``."""
    model.set_attn_implementation("eager")  # the fusion below knows this form of attention
    ids = torch.tensor([[2, 5, 6, 3]])
    axes = {0: "batch", 1: "sequence"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about shapes that are constant on purpose
        torch.onnx.export(
            _Graph(model).eval(),
            (ids, torch.ones_like(ids)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def quantize(fp32: Path, int8: Path, *, heads: int, hidden: int, ids: list[list[int]]) -> None:
    """Fuse the fp32 graph and write it with int8 weights (per channel) and dynamic int8 activations.

    `ids` are unpadded texts that show which channels are too large for int8, see ``spare_outliers``.
    """
    with tempfile.TemporaryDirectory() as folder:
        fused = Path(folder) / "fused.onnx"
        options = FusionOptions("bert")
        options.enable_embed_layer_norm = False  # fused, an embedding table could have only one scale
        optimized = optimize_model(
            str(fp32), "bert", num_heads=heads, hidden_size=hidden, opt_level=0, optimization_options=options
        )
        done = [*spare_outliers(optimized.model, ids), *quantise_embeddings(optimized.model)]
        optimized.save_model_to_file(str(fused))
        target = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # the library advises a step that does not apply here
        try:
            quantize_dynamic(
                fused,
                target,
                weight_type=QuantType.QInt8,
                per_channel=True,
                # 7-bit weights: processors without VNNI add two products in 16 bits, which 8-bit weights overflow,
                # so that the same text would score differently from machine to machine
                reduce_range=True,
                nodes_to_exclude=done,
                extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
            )
        finally:
            logging.disable(logging.NOTSET)
        int8.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, int8)


def run(path: Path, ids: list[list[int]]) -> np.ndarray:
    """Logits, float32 (n, labels), of unpadded ids, one text at a time as the runtime does it."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    out = []
    for row in ids:
        array = np.array([row], dtype=np.int64)
        out.append(session.run(None, {"input_ids": array, "attention_mask": np.ones_like(array)})[0][0])
    return np.stack(out)


def check_fp32(path: Path, ids: list[list[int]], expected: np.ndarray) -> float:
    """Largest difference between ONNX fp32 and torch logits.

    Raises:
        ExportError: it is over ``FP32_TOLERANCE``.
    """
    difference = float(np.abs(run(path, ids) - expected).max())
    if difference > FP32_TOLERANCE:
        raise ExportError(f"fp32 ONNX differs from torch by {difference:.2e}, allowed is {FP32_TOLERANCE:.0e}.")
    return difference

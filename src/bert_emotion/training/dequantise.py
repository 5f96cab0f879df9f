"""A shipped int8 model back as a torch classifier, to go on training from: no second file is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from transformers import AutoConfig, AutoModelForSequenceClassification

from bert_emotion import artifact
from bert_emotion.errors import TrainingError

_DENSE = re.compile(r"/model/(.+?)/(?:MatMul|Gemm_MatMul)_quant$")

CHANNELS, WEIGHT = "_outlier_channels", "_outlier_weight"
"""Endings of the constants that hold, behind a product's name, the channels that the int8 file keeps in float32."""


def dequantise(folder: Path) -> Any:
    """A float32 torch classifier with the weights of a model folder's int8 ONNX file.

    It answers like the int8 model but for the rounding of activations, which only the runtime does.

    Args:
        folder: model folder of this package (BERT architecture, written by ``bert-emotion model package``).

    Raises:
        TrainingError: a weight of the architecture is not found in the file.
    """
    graph = onnx.load(str(folder / artifact.ONNX)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def whole(name: str) -> np.ndarray:
        """A quantised tensor in float32; scale and zero point are one number or one a column."""
        values = constants[f"{name}_quantized"].astype(np.float32)
        shifted = values - constants[f"{name}_zero_point"].astype(np.float32)
        return np.asarray(shifted * constants[f"{name}_scale"], dtype=np.float32)

    found: dict[str, np.ndarray] = {}
    for name, value in constants.items():
        if name.startswith("model.") and value.dtype == np.float32 and not name.endswith("_scale"):
            found[name.removeprefix("model.")] = value
        elif name.startswith("model.bert.embeddings") and name.endswith("_quantized"):
            found[name.removeprefix("model.").removesuffix("_quantized")] = whole(name.removesuffix("_quantized"))
    attention = [node for node in graph.node if node.op_type == "QAttention"]
    for layer, node in enumerate(attention):
        weights = whole(node.input[1].removesuffix("_quantized"))
        for part, weight, bias in zip(
            ("query", "key", "value"), np.split(weights, 3, axis=1), np.split(constants[node.input[2]], 3), strict=True
        ):
            place = f"bert.encoder.layer.{layer}.attention.self.{part}"
            found[f"{place}.weight"], found[f"{place}.bias"] = weight.T, bias
    for node in graph.node:
        if node.op_type == "MatMulInteger" and (match := _DENSE.match(node.name)):
            place = match.group(1).replace("/", ".")
            weights = whole(node.input[1].removesuffix("_quantized"))
            if (channels := constants.get(node.name.removesuffix("_quant") + CHANNELS)) is not None:
                weights[channels] = constants[node.name.removesuffix("_quant") + WEIGHT]
            found[f"{place}.weight"] = weights.T

    config = AutoConfig.from_pretrained(folder, dtype="float32")
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    names = set(dict(model.named_parameters()))
    if missing := sorted(names - set(found)):
        raise TrainingError(f"{folder / artifact.ONNX} holds no {missing[0]}; only int8 BERT models can be read back.")
    state = {name: torch.from_numpy(np.array(found[name], order="C")) for name in names}
    model.load_state_dict(state, strict=False)
    return model.eval()

"""What an int8 BERT needs beyond dynamic quantisation to answer as in float32: outlier channels and embedding tables.

One or two channels of a BERT are ten times as large as the rest, on every text. The runtime's 8 bits reach from the
smallest to the largest value, so that the other channels share a tenth of the steps. Here such channels leave the
int8 product and get a small float32 product of their own (Dettmers et al. 2022, arXiv:2208.07339); the sum is the same.
In the embedding tables one row, that of [CLS], is ten times as large in a column: each column has a scale of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from bert_emotion.training.dequantise import CHANNELS, WEIGHT

TIMES_MEDIAN = 6.0
"""A channel is an outlier if its largest value is this many times that of the median channel."""

LARGEST_SHARE = 1 / 64
"""At most this share of a product's channels, and at least one, is kept in float32: the most extreme ones."""


def spare_outliers(model: onnx.ModelProto, ids: Iterable[list[int]]) -> list[str]:
    """Split, in place, every product with a constant whose input has outlier channels.

    Args:
        model: float32 graph with inputs ``input_ids`` and ``attention_mask``.
        ids: unpadded texts on which the channels are measured.

    Returns:
        Names of the new float32 products, which must not be quantised.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    products = [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in constants]
    peaks = _peaks(model, [node.input[0] for node in products], ids)
    spared = []
    for node in products:
        channels = _outliers(peaks[node.input[0]])
        if len(channels):
            _split(model.graph, node, constants[node.input[1]], channels)
            spared.append(node.name + "_outliers")
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)  # whole weights that were split are not needed any more
    return spared


def _peaks(model: onnx.ModelProto, names: list[str], ids: Iterable[list[int]]) -> dict[str, np.ndarray]:
    """Largest magnitude of every channel of the named tensors over all texts and tokens."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    wanted = list(dict.fromkeys(names))
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in wanted)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    peaks: dict[str, np.ndarray] = {}
    for row in ids:
        array = np.array([row], dtype=np.int64)
        found = session.run(wanted, {"input_ids": array, "attention_mask": np.ones_like(array)})
        for name, value in zip(wanted, found, strict=True):
            peak = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
            peaks[name] = np.maximum(peaks[name], peak) if name in peaks else peak
    return peaks


def _outliers(peak: np.ndarray) -> np.ndarray:
    """Ids of the outlier channels, ascending."""
    largest_first = np.argsort(-peak, kind="stable")[: max(1, int(len(peak) * LARGEST_SHARE))]
    return np.sort(largest_first[peak[largest_first] > TIMES_MEDIAN * np.median(peak)])


def _split(graph: onnx.GraphProto, node: onnx.NodeProto, weight: onnx.TensorProto, channels: np.ndarray) -> None:
    """Replace ``x @ W`` by ``(x * keep) @ W0 + x[channels] @ W[channels]``; W0 is W without these rows."""
    whole = numpy_helper.to_array(weight)
    rest, keep = whole.copy(), np.ones(len(whole), dtype=np.float32)
    rest[channels], keep[channels] = 0, 0
    name, x, y = node.name, node.input[0], node.output[0]
    graph.initializer.extend(
        numpy_helper.from_array(value, name + ending)
        for value, ending in (
            (channels.astype(np.int64), CHANNELS),
            (whole[channels], WEIGHT),
            (rest, "_rest_weight"),
            (keep, "_keep"),
        )
    )
    before = [
        helper.make_node("Gather", [x, name + CHANNELS], [name + "_x_outliers"], name + "_gather", axis=-1),
        helper.make_node("MatMul", [name + "_x_outliers", name + WEIGHT], [name + "_y_outliers"], name + "_outliers"),
        helper.make_node("Mul", [x, name + "_keep"], [name + "_x_rest"], name + "_mul"),
    ]
    after = helper.make_node("Add", [name + "_y_rest", name + "_y_outliers"], [y], name + "_add")
    node.input[:] = [name + "_x_rest", name + "_rest_weight"]
    node.output[:] = [name + "_y_rest"]
    place = next(i for i, other in enumerate(graph.node) if other.name == name)
    for new in before:
        graph.node.insert(place, new)
        place += 1
    graph.node.insert(place + 1, after)


def quantise_embeddings(model: onnx.ModelProto) -> list[str]:
    """Make every embedding table of `model` int8, in place, with one scale a column.

    Tables of two rows (the segments) stay as they are.

    Returns:
        Names of all look-ups, which must not be quantised again.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    tables = {name for name, tensor in constants.items() if len(tensor.dims) == 2}
    lookups = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]
    for node in lookups:
        table = constants[node.input[0]]
        name, values = table.name, numpy_helper.to_array(table)
        if len(values) <= 2:
            continue
        scale = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float32).tiny) / 127
        parts = {
            f"{name}_quantized": np.round(values / scale).astype(np.int8),
            f"{name}_scale": scale.astype(np.float32),
            f"{name}_zero_point": np.zeros(values.shape[1], dtype=np.int8),
        }
        graph.initializer.remove(table)
        graph.initializer.extend(numpy_helper.from_array(value, part) for part, value in parts.items())
        found, looked_up = node.output[0], f"{node.output[0]}_quantized"
        node.input[0], node.output[0] = f"{name}_quantized", looked_up
        back = [looked_up, f"{name}_scale", f"{name}_zero_point"]
        place = list(graph.node).index(node)
        graph.node.insert(place + 1, helper.make_node("DequantizeLinear", back, [found], f"{node.name}_back", axis=-1))
    return [node.name for node in lookups]

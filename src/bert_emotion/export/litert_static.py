"""Static quantisation of a LiteRT graph: matrices, attention and GELU in integers, as TensorFlow Lite Micro wants it.

The range of every tensor is measured on texts (``calibration.txt``, written for this and used for nothing else),
then each becomes int8 or int16 with a fixed scale. Matrices are int8 with one scale a row in both cases. The layer
normalisations stay float32: they are a hundredth of the work, and the one thing that fixed scales spoil.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bert_emotion.export.litert_bert import int8_rows
from bert_emotion.export.litert_graph import Graph, Operator, Tensor

CALIBRATION = Path(__file__).with_name("calibration.txt")
MASKED = -1000.0
"""What the mask holds for a padding token (0 for the others): any number this low means "not read"."""

_UNREAD = 12.0
"""A padding token's score lies this far under the lowest of a text: its share is nothing."""

_ROOM = 2.0
"""int16 ranges are this many times the measured ones: one bit of sixteen against values that were not met."""

_SURE = 12.0
"""A sigmoid is 0 or 1 beyond this: its argument may saturate there."""

_SAME_SCALE = ("RESHAPE", "TRANSPOSE", "SLICE")
# scales that the kernels of these operators insist on: int8 (scale, zero point) and int16 scale
_FIXED = {
    "SOFTMAX": ((1 / 256, -128), 1 / 32768),
    "LOGISTIC": ((1 / 256, -128), 1 / 32768),
    "TANH": ((1 / 128, 0), 1 / 32768),
}


@dataclass
class Ranges:
    """Lowest and highest value of every tensor of a graph, float64 (tensors,)."""

    low: np.ndarray
    high: np.ndarray


def measure(runs: Iterable[tuple[Graph, dict[int, np.ndarray]]]) -> Ranges:
    """Ranges over runs of a float graph, which may be built for another length each time.

    Args:
        runs: graphs that differ in length alone, with the values of their inputs by tensor number.
    """
    low = high = np.zeros(0)
    interpreter: Any = None
    built: Graph | None = None
    for graph, feed in runs:
        if graph is not built:
            built = graph
            interpreter = Interpreter(
                model_content=graph.to_bytes("calibration"),
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            interpreter.allocate_tensors()
        for number, values in feed.items():
            interpreter.set_tensor(number, values)
        interpreter.invoke()
        if not len(low):
            low, high = np.full((2, len(graph.tensors)), [[np.inf], [-np.inf]])
        for operator in graph.operators:
            values = interpreter.get_tensor(operator.output)
            low[operator.output] = min(low[operator.output], values.min())
            high[operator.output] = max(high[operator.output], values.max())
        for number, values in feed.items():
            low[number], high[number] = min(low[number], values.min()), max(high[number], values.max())
    return Ranges(low, high)


def quantise(graph: Graph, ranges: Ranges, bits: int, mask: int) -> Graph:
    """The graph with integer activations, but for its ``exact`` operators; inputs and outputs stay float32.

    Args:
        graph: a float graph.
        ranges: of its tensors.
        bits: 8 or 16.
        mask: number of the input that holds 0 or ``MASKED``.
    """
    ranges, saturating = _with_known_ends(graph, ranges, mask)
    out = Graph([replace(tensor) for tensor in graph.tensors], [], list(graph.inputs), [])
    floats: dict[int, int] = {}  # number of a tensor to that of its float32 form

    def as_float(number: int) -> int:
        tensor = out.tensors[number]
        if number not in floats and tensor.dtype in ("int8", "int16"):
            floats[number] = out.add(Tensor(f"{tensor.name}_float", tensor.shape))
            out.operators.append(Operator("DEQUANTIZE", (number,), floats[number], "DequantizeOptions"))
        return floats.get(number, number)

    def split(number: int) -> Operator:
        """Make a float32 tensor an integer one with a float32 form before it; returns the step between."""
        tensor = out.tensors[number]
        floats[number] = out.add(Tensor(tensor.name, tensor.shape))
        tensor.name += "_scaled"
        _set(tensor, *_scale(ranges.low[number], ranges.high[number], bits, _ROOM), bits)
        return Operator("QUANTIZE", (floats[number],), number, "QuantizeOptions")

    wanted = _wanted_as_integers(graph)
    for number in wanted:
        if graph.tensors[number].data is not None and graph.tensors[number].dtype == "float32":
            _constant(out.tensors[number], bits)
    out.operators += [split(number) for number in graph.inputs if number in wanted]
    for operator in graph.operators:
        if operator.output in graph.exact:
            inputs = tuple(as_float(number) for number in operator.inputs)
            step = [split(operator.output)] if operator.output in wanted else []
            output = floats.get(operator.output, operator.output)
            out.operators += [replace(operator, inputs=inputs, output=output), *step]
            continue
        _output(operator, out.tensors, ranges, bits, 1.0 if operator.output in saturating else _ROOM)
        if operator.code == "FULLY_CONNECTED":
            _matrix(graph, operator, out.tensors, bits)
        out.operators.append(replace(operator))
    out.inputs = [floats.get(number, number) for number in graph.inputs]
    out.outputs = [as_float(number) for number in graph.outputs]
    return out


def _wanted_as_integers(graph: Graph) -> set[int]:
    """Tensors that an integer operator reads, but for matrices and their offsets."""
    return {
        number
        for operator in graph.operators
        if operator.output not in graph.exact
        for number in operator.inputs[: 1 if operator.code == "FULLY_CONNECTED" else None]
    }


def _output(operator: Operator, tensors: list[Tensor], ranges: Ranges, bits: int, room: float) -> None:
    output = tensors[operator.output]
    if operator.code in _SAME_SCALE:
        first = tensors[operator.inputs[0]]
        output.dtype, output.scale, output.zero = first.dtype, first.scale, first.zero
    elif operator.code in _FIXED:
        (scale, zero), wide = _FIXED[operator.code]
        _set(output, scale if bits == 8 else wide, zero if bits == 8 else 0, bits)
    else:
        _set(output, *_scale(ranges.low[operator.output], ranges.high[operator.output], bits, room), bits)


def _with_known_ends(graph: Graph, ranges: Ranges, mask: int) -> tuple[Ranges, set[int]]:
    """Ranges with the ends that are known without measuring, and the tensors that saturate there on purpose."""
    low, high = ranges.low.copy(), ranges.high.copy()
    exact = set()
    for operator in graph.operators:
        if operator.code == "LOGISTIC":
            argument = operator.inputs[0]
            low[argument], high[argument] = max(low[argument], -_SURE), min(high[argument], _SURE)
            exact.add(argument)
        if mask in operator.inputs:
            score, total = operator.inputs[0], operator.output
            reach = max(-low[score], high[score]) * _ROOM
            # nothing is read under the lowest score that there is room for
            low[total], high[total] = -reach - _UNREAD, reach
            low[mask] = min(low[mask], low[total] - reach)
            exact.add(total)
    high[mask] = 0.0
    return Ranges(low, high), exact


def _scale(low: float, high: float, bits: int, room: float = 1.0) -> tuple[float, int]:
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    if bits == 16:
        return room * max(-low, high, 1e-9) / 32767, 0
    scale = max(high - low, 1e-9) / 255
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def _set(tensor: Tensor, scale: float, zero: int, bits: int) -> None:
    tensor.dtype = f"int{bits}"
    tensor.scale, tensor.zero = np.array([scale], dtype=np.float32), zero


def _constant(tensor: Tensor, bits: int) -> None:
    values = tensor.data
    assert values is not None
    _set(tensor, *_scale(values.min(), values.max(), bits), bits)
    assert tensor.scale is not None
    limit = 2 ** (bits - 1)
    tensor.data = np.clip(np.rint(values / tensor.scale[0]) + tensor.zero, -limit, limit - 1).astype(tensor.dtype)


def _matrix(graph: Graph, operator: Operator, tensors: list[Tensor], bits: int) -> None:
    source, matrix, bias = (tensors[number] for number in operator.inputs)
    weight, offset = (graph.tensors[number].data for number in operator.inputs[1:])
    assert weight is not None
    assert offset is not None
    assert source.scale is not None
    matrix.data, matrix.scale = int8_rows(weight)
    matrix.dtype, matrix.zero = "int8", 0
    bias.scale = (matrix.scale.astype(np.float64) * source.scale[0]).astype(np.float32)
    bias.dtype, bias.zero = ("int32" if bits == 8 else "int64"), 0
    bias.data = np.rint(offset / bias.scale.astype(np.float64)).astype(bias.dtype)

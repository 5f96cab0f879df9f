"""A LiteRT graph, tensor by tensor, and the ``.tflite`` file that holds it.

The networks here need a dozen kinds of operators, so that the file is written outright: it takes no converter
(half a gigabyte of libraries and a minute a model), one file reads texts of any length, and nothing stands in it
that was not meant to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int64": schema.TensorType.INT64,
    "int32": schema.TensorType.INT32,
    "int16": schema.TensorType.INT16,
    "int8": schema.TensorType.INT8,
}


@dataclass
class Tensor:
    """A tensor of the graph.

    Attributes:
        name: name in the file.
        shape: sizes; where the length is free, the one that the graph was built with.
        dtype: numpy name of the type.
        data: values of a constant; None where an operator or the caller gives them.
        scale: float32 (1,) of a quantised tensor, or (rows,) with one a row.
        zero: zero point; rows have 0.
        free: the first axis has no fixed size (inputs alone say so).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    data: np.ndarray | None = None
    scale: np.ndarray | None = None
    zero: int = 0
    free: bool = False


@dataclass
class Operator:
    """An operator.

    Attributes:
        code: name in the schema, for example ``FULLY_CONNECTED``.
        inputs: numbers of its tensors.
        output: number of the tensor that it gives.
        options: name of its option table, or "".
        values: fields of that table.
    """

    code: str
    inputs: tuple[int, ...]
    output: int
    options: str = ""
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """Tensors and operators in the order in which they run; tensors are known by their number.

    Attributes:
        exact: outputs of operators that go on reckoning in float32 when the graph is made an integer one.
    """

    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    exact: set[int] = field(default_factory=set)

    def add(self, tensor: Tensor) -> int:
        """Add a tensor; returns its number."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def input(self, name: str, shape: Sequence[int], dtype: str = "float32", *, free: bool = False) -> int:
        """A tensor that the caller fills."""
        number = self.add(Tensor(name, tuple(shape), dtype, free=free))
        self.inputs.append(number)
        return number

    def constant(self, name: str, data: np.ndarray, scale: np.ndarray | None = None) -> int:
        """A tensor of fixed values; int8 rows bring their `scale`, float32 (rows,)."""
        return self.add(Tensor(name, data.shape, str(data.dtype), data, scale))

    def shape(self, number: int) -> tuple[int, ...]:
        """Sizes of a tensor."""
        return self.tensors[number].shape

    def apply(self, code: str, inputs: Sequence[int], shape: Sequence[int], options: str = "", **values: Any) -> int:
        """Add an operator that gives a float32 tensor of `shape`; returns the tensor's number."""
        output = self.add(Tensor(f"{code.lower()}_{len(self.operators)}", tuple(shape)))
        self.operators.append(Operator(code, tuple(inputs), output, options, values))
        return output

    def save(self, path: Path, description: str) -> None:
        """Write the ``.tflite`` file."""
        path.write_bytes(self.to_bytes(description))

    def to_bytes(self, description: str) -> bytes:
        """Content of the ``.tflite`` file."""
        model = schema.ModelT()
        model.version = 3
        model.description = description
        model.buffers = [_Buffer(None)]  # by convention the first is empty, and stands for "no values"
        codes = sorted({operator.code for operator in self.operators})
        model.operatorCodes = [_operator_code(code) for code in codes]
        part = schema.SubGraphT()
        part.name = "main"
        part.inputs, part.outputs = self.inputs, self.outputs
        part.tensors = [_tensor(tensor, model.buffers) for tensor in self.tensors]
        part.operators = []
        for operator in self.operators:
            entry = schema.OperatorT()
            entry.opcodeIndex = codes.index(operator.code)
            entry.inputs, entry.outputs = list(operator.inputs), [operator.output]
            if operator.options:
                entry.builtinOptionsType = getattr(schema.BuiltinOptions, operator.options)
                entry.builtinOptions = getattr(schema, f"{operator.options}T")()
                for name, value in operator.values.items():
                    setattr(entry.builtinOptions, name, value)
            part.operators.append(entry)
        model.subgraphs = [part]
        model.signatureDefs = [self._signature()]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _signature(self) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.subgraphIndex = 0
        signature.inputs = [self._named(number) for number in self.inputs]
        signature.outputs = [self._named(number) for number in self.outputs]
        return signature

    def _named(self, number: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = self.tensors[number].name, number
        return entry


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """Values inside the file, at a multiple of 16 bytes.

    Both matter to microcontrollers: TensorFlow Lite Micro reads values that stand behind the file's tables (as
    some tools write them) as rubbish, without a word, and processors fault on unaligned words.
    """

    def __init__(self, values: np.ndarray | None) -> None:
        super().__init__()
        self.values = values

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - named by the generated code
        vector = None
        if self.values is not None:
            content = np.ascontiguousarray(self.values).tobytes()
            builder.StartVector(1, len(content), 16)
            builder.head = builder.Head() - len(content)
            builder.Bytes[builder.Head() : builder.Head() + len(content)] = content
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def _operator_code(name: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 1  # every runtime knows this one, and looks at the tensors' types itself
    return code


def _tensor(tensor: Tensor, buffers: list[Any]) -> Any:
    entry = schema.TensorT()
    entry.name, entry.shape, entry.type = tensor.name, list(tensor.shape), _TYPES[tensor.dtype]
    if tensor.free:
        entry.shapeSignature = [-1, *tensor.shape[1:]]
    entry.buffer = 0
    if tensor.data is not None:
        entry.buffer = len(buffers)
        buffers.append(_Buffer(tensor.data))
    if tensor.scale is not None:
        entry.quantization = schema.QuantizationParametersT()
        entry.quantization.scale = tensor.scale.astype(np.float32)
        entry.quantization.zeroPoint = np.full(len(tensor.scale), tensor.zero, dtype=np.int64)
        entry.quantization.quantizedDimension = 0
    return entry

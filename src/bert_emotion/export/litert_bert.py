"""The BERT classifier as a LiteRT graph: one text, no padding needed, the shortest chain of operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bert_emotion.errors import ExportError
from bert_emotion.export.litert_graph import Graph

# TensorFlow Lite Micro has no GELU. Its tanh form is x * sigmoid(a x + b x^3), which is within 0.0005 of it; with
# u = c x and c^3 = b that is u * sigmoid(u (u^2 + a / c)) / c, and c goes into the matrices on either side. The
# shorter x * sigmoid(1.702 x) is off by 0.02, which costs up to 1.4 % of the labels.
_GELU_A = 2 * (2 / np.pi) ** 0.5
_GELU_C = (0.044715 * _GELU_A) ** (1 / 3)

_NONE = schema.ActivationFunctionType.NONE


@dataclass(frozen=True)
class Weights:
    """A classifier's weights by their name in the checkpoint, and its shape.

    Attributes:
        tables: float32 arrays, names without ``bert.``.
        layers: encoder layers.
        heads: attention heads.
        epsilon: of the layer normalisation.
    """

    tables: dict[str, np.ndarray]
    layers: int
    heads: int
    epsilon: float

    def positions(self, length: int) -> np.ndarray:
        """What is added to the word embeddings, float32 (length, hidden): position and the one segment."""
        segment = self.tables["embeddings.token_type_embeddings.weight"][0]
        return np.asarray(self.tables["embeddings.position_embeddings.weight"][:length] + segment)

    @property
    def words(self) -> np.ndarray:
        """Word embeddings, float32 (vocabulary, hidden)."""
        return self.tables["embeddings.word_embeddings.weight"]


def weights_of(model: Any) -> Weights:
    """Weights of a torch classifier.

    Raises:
        ExportError: an activation function other than GELU, or relative positions.
    """
    config = model.config
    kind = getattr(config, "position_embedding_type", None) or "absolute"
    if config.hidden_act != "gelu" or kind != "absolute":
        raise ExportError(
            f"the model has {config.hidden_act!r} and {kind!r} positions; LiteRT exports are made for 'gelu' and "
            f"'absolute'."
        )
    tables = {name.removeprefix("bert."): value.detach().numpy() for name, value in model.state_dict().items()}
    return Weights(tables, config.num_hidden_layers, config.num_attention_heads, float(config.layer_norm_eps))


def int8_rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A float table as int8 with one scale a row: (rows, n) int8 and (rows,) float32."""
    scale = np.maximum(np.abs(table).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
    return np.clip(np.rint(table / scale[:, None]), -127, 127).astype(np.int8), scale


class Bert:
    """Builds the graph of a classifier.

    Args:
        weights: what to build.
        length: tokens of a text; with `free` only the one that the file opens with.
        free: any length can be asked for.
        int8: matrices are stored as int8 with one scale a row, activations stay float32.
        micro: only operators of TensorFlow Lite Micro (GELU through a sigmoid); the word embeddings are an input,
            and so is a mask for padding.
    """

    def __init__(self, weights: Weights, length: int, *, free: bool, int8: bool, micro: bool) -> None:
        self.graph = Graph()
        self._weights, self._length, self._int8, self._micro = weights, length, int8, micro
        self._hidden = weights.words.shape[1]
        self._small: dict[str, int] = {}
        graph = self.graph
        if micro:
            words = graph.input("embeddings", (length, self._hidden))
            places = graph.constant("positions", weights.positions(length))
            mask = graph.input("mask", (1, length))
        else:
            ids = graph.input("ids", (length,), "int32", free=free)
            numbers = graph.input("positions", (length,), "int32", free=free)
            words = self._lookup(ids, "words", weights.words)
            longest = len(weights.tables["embeddings.position_embeddings.weight"])
            places = self._lookup(numbers, "places", weights.positions(longest))
            mask = None
        x = self._add(words, places)
        graph.exact.add(x)
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(weights.layers):
            # the answer is read off the first token, so that of the last layer only its row is needed
            x = self._layer(x, f"encoder.layer.{layer}", mask, first_alone=layer == weights.layers - 1)
        pooled = graph.apply("TANH", [self._linear(x, "pooler.dense")], (1, self._hidden))
        logits = self._linear(pooled, "classifier")
        graph.tensors[logits].name = "logits"
        graph.outputs.append(logits)

    def _layer(self, x: int, name: str, mask: int | None, *, first_alone: bool) -> int:
        rows = self._first(x) if first_alone else x
        mixed = self._attention(rows, x, f"{name}.attention", mask)
        rows = self._norm(self._add(mixed, rows), f"{name}.attention.output.LayerNorm")
        factor = _GELU_C if self._micro else 1.0
        wide = self._gelu(self._linear(rows, f"{name}.intermediate.dense", factor))
        narrow = self._linear(wide, f"{name}.output.dense", 1 / factor, bias_factor=1.0)
        return self._norm(self._add(narrow, rows), f"{name}.output.LayerNorm")

    def _attention(self, rows: int, x: int, name: str, mask: int | None) -> int:
        heads = self._weights.heads
        size = self._hidden // heads
        # the division by the root of the head's size is folded into the query
        query = self._heads(self._linear(rows, f"{name}.self.query", factor=size**-0.5))
        key = self._heads(self._linear(x, f"{name}.self.key"))
        value = self._heads(self._linear(x, f"{name}.self.value"))
        count = self.graph.shape(rows)[0]
        scores = self._matmul(query, key, (heads, count, self._length), adjY=True)
        if mask is not None:
            scores = self._add(scores, mask)
        shares = self.graph.apply("SOFTMAX", [scores], self.graph.shape(scores), "SoftmaxOptions", beta=1.0)
        mixed = self._transpose(self._matmul(shares, value, (heads, count, size)))
        return self._linear(self._reshape(mixed, (count, self._hidden)), f"{name}.output.dense")

    def _heads(self, x: int) -> int:
        rows, heads = self.graph.shape(x)[0], self._weights.heads
        return self._transpose(self._reshape(x, (rows, heads, self._hidden // heads)))

    def _norm(self, x: int, name: str) -> int:
        graph, shape, begin = self.graph, self.graph.shape(x), len(self.graph.operators)
        row = (*shape[:-1], 1)
        last = self._numbers("last_axis", [-1 + len(shape)])
        mean = graph.apply("MEAN", [x, last], row, "ReducerOptions", keepDims=True)
        centred = graph.apply("SUB", [x, mean], shape, "SubOptions", fusedActivationFunction=_NONE, potScaleInt16=False)
        squared = self._multiply(centred, centred)
        variance = graph.apply("MEAN", [squared, last], row, "ReducerOptions", keepDims=True)
        variance = self._add(variance, self._once("epsilon", np.array([self._weights.epsilon], np.float32)))
        scaled = self._multiply(centred, graph.apply("RSQRT", [variance], row))
        tables = self._weights.tables
        scaled = self._multiply(scaled, graph.constant(f"{name}.weight", tables[f"{name}.weight"]))
        out = self._add(scaled, graph.constant(f"{name}.bias", tables[f"{name}.bias"]))
        # [SEP] reaches values hundreds of times those of other tokens: no one scale holds the squares of both
        graph.exact.update(operator.output for operator in graph.operators[begin:])
        return out

    def _gelu(self, x: int) -> int:
        shape = self.graph.shape(x)
        if not self._micro:
            return self.graph.apply("GELU", [x], shape, "GeluOptions", approximate=False)
        inner = self._add(self._multiply(x, x), self._once("gelu", np.array([_GELU_A / _GELU_C], np.float32)))
        return self._multiply(x, self.graph.apply("LOGISTIC", [self._multiply(x, inner)], shape))

    def _linear(self, x: int, name: str, factor: float = 1.0, bias_factor: float | None = None) -> int:
        weight = self._weights.tables[f"{name}.weight"] * np.float32(factor)
        bias = self._weights.tables[f"{name}.bias"] * np.float32(factor if bias_factor is None else bias_factor)
        matrix = self.graph.constant(f"{name}.weight", *(int8_rows(weight) if self._int8 else (weight,)))
        inputs = [x, matrix, self.graph.constant(f"{name}.bias", bias)]
        shape = (self.graph.shape(x)[0], len(weight))
        values = {"fusedActivationFunction": _NONE, "keepNumDims": False, "asymmetricQuantizeInputs": False}
        return self.graph.apply("FULLY_CONNECTED", inputs, shape, "FullyConnectedOptions", **values)

    def _lookup(self, ids: int, name: str, table: np.ndarray) -> int:
        rows = self.graph.constant(name, *(int8_rows(table) if self._int8 else (table,)))
        return self.graph.apply("EMBEDDING_LOOKUP", [ids, rows], (self._length, self._hidden))

    def _matmul(self, x: int, y: int, shape: tuple[int, ...], *, adjY: bool = False) -> int:  # noqa: N803
        values = {"adjX": False, "adjY": adjY, "asymmetricQuantizeInputs": False}
        return self.graph.apply("BATCH_MATMUL", [x, y], shape, "BatchMatMulOptions", **values)

    def _first(self, x: int) -> int:
        inputs = [x, self._numbers("first_begin", [0, 0]), self._numbers("first_size", [1, self._hidden])]
        return self.graph.apply("SLICE", inputs, (1, self._hidden), "SliceOptions")

    def _reshape(self, x: int, shape: tuple[int, ...]) -> int:
        wanted = [1 if shape[0] == 1 else -1, *shape[1:]]  # -1: the length is free
        target = self._numbers("shape_" + "_".join(map(str, wanted)).replace("-", "n"), wanted)
        return self.graph.apply("RESHAPE", [x, target], shape, "ReshapeOptions", newShape=wanted)

    def _transpose(self, x: int) -> int:
        a, b, c = self.graph.shape(x)
        return self.graph.apply("TRANSPOSE", [x, self._numbers("swap", [1, 0, 2])], (b, a, c), "TransposeOptions")

    def _add(self, x: int, y: int) -> int:
        values = {"fusedActivationFunction": _NONE, "potScaleInt16": False}
        return self.graph.apply("ADD", [x, y], self.graph.shape(x), "AddOptions", **values)

    def _multiply(self, x: int, y: int) -> int:
        return self.graph.apply("MUL", [x, y], self.graph.shape(x), "MulOptions", fusedActivationFunction=_NONE)

    def _numbers(self, name: str, values: list[int]) -> int:
        return self._once(name, np.array(values, dtype=np.int32))

    def _once(self, name: str, data: np.ndarray) -> int:
        if name not in self._small:
            self._small[name] = self.graph.constant(name, data)
        return self._small[name]

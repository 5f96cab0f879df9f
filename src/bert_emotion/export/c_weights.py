"""The weights of a BERT classifier in the order and form in which ``bert_emotion.c`` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bert_emotion.errors import ExportError


@dataclass(frozen=True)
class Weights:
    """A quantised classifier.

    Attributes:
        shape: layers, hidden width, heads and the width and number of the feed-forward slices, by macro name.
        embeddings: word vectors, int8 (pieces, hidden), in the device's order.
        embedding_steps: float32 (pieces,), one step a word.
        positions: position and segment vectors added up, float32 (positions, hidden).
        matrices: all other weights, int8, flat, in reading order.
        floats: norms, and of every block of `matrices` its steps and biases, float32, flat, in reading order.
    """

    shape: dict[str, int]
    norm_epsilon: float
    embeddings: np.ndarray
    embedding_steps: np.ndarray
    positions: np.ndarray
    matrices: np.ndarray
    floats: np.ndarray

    @property
    def bytes(self) -> int:
        """Flash that all of it takes."""
        arrays = (self.embeddings, self.embedding_steps, self.positions, self.matrices, self.floats)
        return sum(array.nbytes for array in arrays)


def quantise_rows(weight: np.ndarray, finest: int = 127) -> tuple[np.ndarray, np.ndarray]:
    """A float matrix (rows, columns) as int8, and the step of every row, float32 (rows,).

    The largest value of a row becomes 127, or the number from 64 on with which the row loses least: weights that
    come from an int8 model lie on a grid already, which is found again in this way.
    """
    largest = np.abs(weight).max(axis=1, keepdims=True)
    largest[largest == 0] = 1.0
    best = np.full(len(weight), np.inf)
    codes, steps = np.zeros(weight.shape, dtype=np.int8), np.zeros(len(weight), dtype=np.float32)
    for top in range(127, min(finest, 127) - 1, -1):
        step = (largest / top).astype(np.float32)
        tried = np.rint(weight / step)
        loss = np.square(tried * step - weight).sum(axis=1)
        better = loss < best
        best[better], steps[better], codes[better] = loss[better], step[better, 0], tried[better]
    return codes, steps


def read_weights(model: Any, order: tuple[int, ...], positions: int) -> Weights:
    """Quantise a torch BERT classifier.

    Args:
        model: ``BertForSequenceClassification`` in float32.
        order: rows of the word embedding table in the device's order.
        positions: positions to keep.

    Raises:
        ExportError: a shape or an activation that the C code does not compute.
    """
    config = model.config
    hidden, inner, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    if config.hidden_act != "gelu":
        raise ExportError(f"the model's activation is {config.hidden_act!r}; the C code computes 'gelu'.")
    width = max(n for n in range(1, hidden + 1) if inner % n == 0)
    if hidden % 4 or width % 4:
        raise ExportError(f"the model is {hidden} wide with {inner} inside; the C code needs multiples of 4.")
    state = {name: tensor.detach().numpy().astype(np.float32) for name, tensor in model.state_dict().items()}
    head = hidden // heads
    matrices: list[np.ndarray] = []
    floats: list[np.ndarray] = []

    def block(weight: np.ndarray, bias: np.ndarray) -> None:
        codes, steps = quantise_rows(weight, finest=64)
        matrices.append(codes.ravel())
        floats.extend((steps, bias))

    def norm(name: str) -> None:
        floats.extend((state[f"{name}.LayerNorm.weight"], state[f"{name}.LayerNorm.bias"]))

    norm("bert.embeddings")
    for layer in range(config.num_hidden_layers):
        place = f"bert.encoder.layer.{layer}"
        query, key, value = (
            (state[f"{place}.attention.self.{part}.weight"], state[f"{place}.attention.self.{part}.bias"])
            for part in ("query", "key", "value")
        )
        scale = np.float32(1 / np.sqrt(head))
        for start in range(0, hidden, head):
            rows = slice(start, start + head)
            block(query[0][rows] * scale, query[1][rows] * scale)
            both = [np.concatenate([key[i][rows], value[i][rows]]) for i in (0, 1)]
            block(both[0], both[1])
        block(state[f"{place}.attention.output.dense.weight"], state[f"{place}.attention.output.dense.bias"])
        norm(f"{place}.attention.output")
        first, first_bias = (state[f"{place}.intermediate.dense.{part}"] for part in ("weight", "bias"))
        second, second_bias = (state[f"{place}.output.dense.{part}"] for part in ("weight", "bias"))
        for start in range(0, inner, width):
            these = slice(start, start + width)
            block(first[these], first_bias[these])
            block(second[:, these], second_bias if start == 0 else np.zeros_like(second_bias))
        norm(f"{place}.output")
    block(state["bert.pooler.dense.weight"], state["bert.pooler.dense.bias"])
    block(state["classifier.weight"], state["classifier.bias"])
    embeddings, steps = quantise_rows(state["bert.embeddings.word_embeddings.weight"][list(order)])
    place = "bert.embeddings"
    return Weights(
        shape={
            "LAYERS": config.num_hidden_layers,
            "HIDDEN": hidden,
            "HEADS": heads,
            "HEAD": head,
            "SLICE": width,
            "SLICES": inner // width,
        },
        norm_epsilon=float(config.layer_norm_eps),
        embeddings=embeddings,
        embedding_steps=steps,
        positions=state[f"{place}.position_embeddings.weight"][:positions]
        + state[f"{place}.token_type_embeddings.weight"][0],
        matrices=np.concatenate(matrices),
        floats=np.concatenate(floats),
    )

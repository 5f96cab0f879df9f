"""Another engine for the classifier: LiteRT, which starts faster than onnxruntime and takes less memory.

It reads a folder that ``bert-emotion export MODEL --to litert`` wrote. The only base module that imports
``ai_edge_litert``, and only when an engine is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion.errors import ModelError, require

_INPUTS = ["ids", "positions"]


class LitertEngine:
    """LiteRT on the CPU, one thread a call; an ``Engine`` of the classifier.

    Every text runs by itself in exactly its own length: padding is cut off, not computed, so that it cannot
    change an answer. A text of another length than the one before costs about a fifth more, since the runtime
    lays out its memory anew. Several threads may call one engine: each gets an interpreter
    of its own.

    Args:
        path: the ``model.tflite`` of an exported folder; it is mapped into memory, not read.

    Raises:
        MissingExtraError: the LiteRT library is not installed.
        ModelError: the file is not a network of this package.
    """

    def __init__(self, path: Path) -> None:
        library = require("ai_edge_litert.interpreter", "litert")
        self._library: Any = library
        self._path = path
        # interpreters that no call uses now; taking from a list and adding to it is safe between threads
        self._idle = [_Interpreter(library, path)]

    def __call__(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Logits, float32 (batch, labels), of int64 (batch, length) ids and mask; padding stands at the end."""
        try:
            interpreter = self._idle.pop()
        except IndexError:
            interpreter = _Interpreter(self._library, self._path)
        try:
            rows = zip(input_ids, attention_mask.sum(axis=1), strict=True)
            return np.stack([interpreter.logits(row[:length].astype(np.int32)) for row, length in rows])
        finally:
            self._idle.append(interpreter)


class _Interpreter:
    """The network, laid out in memory for one length at a time."""

    def __init__(self, library: Any, path: Path) -> None:
        try:
            self._runtime = library.Interpreter(str(path), num_threads=1)
            inputs = self._runtime.get_input_details()
            output = self._runtime.get_output_details()[0]["index"]
        except Exception as error:  # the library raises bare ValueError and RuntimeError
            first = (str(error).splitlines() or ["no reason given"])[0]
            raise ModelError(f"{path} cannot be loaded ({first}). Export the model again.") from error
        names = [entry["name"] for entry in inputs]
        if names != _INPUTS:
            raise ModelError(f"{path} has the inputs {names}, expected {_INPUTS}: it is no 'litert' export.")
        self._ids, self._positions = (entry["index"] for entry in inputs)
        self._output = output
        self._length = 0

    def logits(self, ids: np.ndarray) -> np.ndarray:
        """Logits, float32 (labels,), of int32 ids without padding."""
        if len(ids) != self._length:
            self._runtime.resize_tensor_input(self._ids, [len(ids)])
            self._runtime.resize_tensor_input(self._positions, [len(ids)])
            self._runtime.allocate_tensors()
            self._runtime.set_tensor(self._positions, np.arange(len(ids), dtype=np.int32))
            self._length = len(ids)
        self._runtime.set_tensor(self._ids, ids)
        self._runtime.invoke()
        return np.asarray(self._runtime.get_tensor(self._output)[0])

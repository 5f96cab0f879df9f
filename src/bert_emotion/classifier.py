"""The classifier: texts in, emotions out. The only base module that imports ``onnxruntime``, and only
when it is asked to run it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np

from bert_emotion.artifact import ModelConfig, load_config
from bert_emotion.documents import combine, windows
from bert_emotion.errors import InputError, ModelError
from bert_emotion.labels import emoji_of
from bert_emotion.tokenizer import TextTokenizer

UNREADABLE_SHARE = 0.5
"""A text is unreadable when more than this share of its pieces is unknown to the vocabulary."""

_UNSET: Any = object()


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        label: our answer, one of the model's names (the shipped models have 13).
        emoji: emoji of `label`.
        score: calibrated probability of `label`, 0-1.
        scores: probability of every label, in label order, summing to 1 (of a multi-label model each by itself).
        raw_label: what the network alone says; differs from `label` only where the text could not be read.
        reason: None, or why the answer deserves care: ``low_confidence`` (the score is under the model's
            threshold; `label` is still the best guess), ``empty`` (nothing but white space and control
            characters; answered Neutral) or ``unreadable`` (mostly characters that the vocabulary lacks, such
            as another script; answered Neutral). A label set without Neutral answers its first label then, all
            scores alike.
        labels: None, or of a multi-label model all labels that the text is given, which may be none.
    """

    label: str
    emoji: str
    score: float
    scores: dict[str, float] = field(repr=False)
    raw_label: str
    reason: str | None = None
    labels: tuple[str, ...] | None = field(default=None, repr=False)

    def asdict(self) -> dict[str, Any]:
        """All fields as plain JSON types."""
        plain = {
            "label": self.label,
            "emoji": self.emoji,
            "score": self.score,
            "scores": dict(self.scores),
            "raw_label": self.raw_label,
            "reason": self.reason,
        }
        return plain if self.labels is None else {**plain, "labels": list(self.labels)}


class Engine(Protocol):
    """What runs the network: any runtime can stand behind this."""

    def __call__(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Logits, float32 (batch, labels), of int64 (batch, length) ids and mask."""


class OnnxEngine:
    """onnxruntime on the CPU, one thread a call.

    Raises:
        ModelError: the file is not a network of this package.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime  # here, so that another runtime does without its memory

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # the file is fused already; a memory arena would keep the peak of the longest text for good
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's own exceptions share no base but Exception
            raise ModelError(f"{path} cannot be loaded ({str(error).splitlines()[0]}). Restore the model.") from error
        inputs = [entry.name for entry in self._session.get_inputs()]
        if inputs != ["input_ids", "attention_mask"]:
            raise ModelError(f"{path} has the inputs {inputs}, expected ['input_ids', 'attention_mask'].")

    def __call__(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """See ``Engine``."""
        feed = {"input_ids": input_ids, "attention_mask": attention_mask}
        return np.asarray(self._session.run(None, feed)[0])


def _engine(config: ModelConfig) -> Engine:
    if config.runtime == "litert":
        from bert_emotion.litert import LitertEngine

        return LitertEngine(config.network_path)
    return OnnxEngine(config.network_path)


class EmotionClassifier:
    """Tells which of 13 emotions a text carries, or which label of a set of your own.

    >>> EmotionClassifier().predict(["i love you"])
    [Prediction(label='Love', emoji='❤️', score=0.97…, raw_label='Love', reason=None)]

    Loading reads files only; no code path touches the network. One object may be used by several threads.

    Every text runs through the network alone, in exactly its own length. int8 activations are scaled by the
    largest value in the *whole* batch, so a text's scores would depend on its neighbours and on padding,
    by up to some tenths; alone they are the same in every batch, and on one thread a batch gains little or
    nothing (``benchmarks/batching.py`` measures both).

    Args:
        model: None for the default model, the name of a shipped one, or a model folder.
        threads: texts read side by side; a single text always runs on one thread.
        runtime: ``onnxruntime``, or ``litert`` for a folder that ``bert-emotion export --to litert`` wrote (which
            starts faster and takes less memory; extra ``litert``); None takes what the folder holds.
        engine: another runtime of your own for the network.

    Raises:
        ModelError: no such model, a folder that is incomplete or altered, or one without that runtime's network.
        InputError: `threads` below 1, or no such runtime.
        MissingExtraError: the runtime is not installed.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        threads: int = 1,
        *,
        runtime: str | None = None,
        engine: Engine | None = None,
    ) -> None:
        if threads < 1:
            raise InputError(f"threads is {threads}, expected 1 or more.")
        self.config = load_config(model, runtime)
        self.threads = threads
        self._tokenizer = TextTokenizer(self.config.tokenizer_path)
        self._engine: Engine = _engine(self.config) if engine is None else engine
        names = [label.lower() for label in self.config.labels]
        self._neutral = names.index("neutral") if "neutral" in names else None
        # nothing was read: every label alike, Neutral a little ahead so that the answer is defined
        size = len(names)
        self._nothing_read = np.full(size, 0.0 if self.config.multi_label else 1 / size)
        if self._neutral is not None and not self.config.multi_label:
            self._nothing_read[:] = 0.07 * 13 / size
            self._nothing_read[self._neutral] += 0.09

    @property
    def labels(self) -> tuple[str, ...]:
        """The names in id order, the order of the columns of ``predict_proba``; 13 of a shipped model."""
        return self.config.labels

    @overload
    def __call__(self, inputs: str, *, top_k: int = ..., batch_size: int = ...) -> list[dict[str, Any]]: ...
    @overload
    def __call__(self, inputs: str, *, top_k: None, batch_size: int = ...) -> list[dict[str, Any]]: ...
    @overload
    def __call__(
        self, inputs: list[str] | tuple[str, ...], *, top_k: int | None = ..., batch_size: int = ...
    ) -> list[Any]: ...
    @overload
    def __call__(self, inputs: Iterable[str], *, top_k: int | None = ..., batch_size: int = ...) -> Any: ...

    def __call__(self, inputs: Iterable[str], *, top_k: int | None = _UNSET, batch_size: int = 32) -> Any:
        """Answer in the shapes of the transformers ``text-classification`` pipeline.

        Args:
            inputs: a text, a list of texts, or any other iterable, which is then answered as a stream.
            top_k: not given, one ``{"label", "score"}`` a text; a number, a list of that many a text, best
                first; None, a list of all labels.
            batch_size: texts taken from the iterable at a time.

        Returns:
            For a text a list of dicts. For a list a list with one dict (no `top_k`) or one list of dicts a
            text. For another iterable an iterator over the same items.
        """
        if top_k is not _UNSET and top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}, expected 1 or more, or None for all labels.")

        def shaped(prediction: Prediction) -> Any:
            if top_k is _UNSET:
                return {"label": prediction.label, "score": prediction.score}
            ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])
            return [{"label": label, "score": score} for label, score in ranked[:top_k]]

        if isinstance(inputs, str):
            only = shaped(self._predict_one(inputs, 0))
            return [only] if top_k is _UNSET else only
        if isinstance(inputs, (list, tuple)):
            return [shaped(prediction) for prediction in self._stream(inputs, batch_size)]
        return (shaped(prediction) for prediction in self._stream(inputs, batch_size))

    def predict(self, texts: str | Iterable[str]) -> list[Prediction]:
        """Answer every text, in order; one text is a batch of one.

        Raises:
            InputError: an item is not a ``str``; the message names its position.
        """
        return list(self.stream(texts))

    def stream(self, texts: str | Iterable[str], batch_size: int = 32) -> Iterator[Prediction]:
        """Like ``predict``, but lazily: only `batch_size` texts are taken at a time."""
        return self._stream([texts] if isinstance(texts, str) else texts, batch_size)

    def predict_proba(self, texts: str | Iterable[str]) -> np.ndarray:
        """Calibrated probabilities, float64 (n, labels), columns in label order.

        Rows sum to 1, but for a multi-label model, whose labels stand each by itself.
        """
        rows = [list(prediction.scores.values()) for prediction in self.stream(texts)]
        return np.asarray(rows, dtype=np.float64).reshape(-1, len(self.labels))

    def _stream(self, texts: Iterable[str], batch_size: int) -> Iterator[Prediction]:
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, expected 1 or more.")
        numbered = enumerate(texts)
        if self.threads == 1:
            for position, text in numbered:
                yield self._predict_one(text, position)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.threads) as pool:
            while chunk := list(islice(numbered, batch_size)):
                yield from pool.map(lambda item: self._predict_one(item[1], item[0]), chunk)

    def _predict_one(self, text: str, position: int) -> Prediction:
        if not isinstance(text, str):
            raise InputError(f"text {position} is {type(text).__name__}, expected str. Leave it out or pass ''.")
        tokens = self._tokenizer.encode(text)
        if not tokens.ids:
            return self._answer(self._nothing_read, reason="empty")
        parts = windows(tokens, self.config.max_length - 2)
        read = np.stack([self._run(part) for part in parts])
        if len(parts) == 1:
            scores = read[0]
        elif self.config.multi_label:
            scores = read.max(axis=0)  # what stands in any passage stands in the text
        else:
            scores = combine(read, [len(part) for part in parts], self._neutral)
        if tokens.unknown > UNREADABLE_SHARE:
            return self._answer(self._nothing_read, reason="unreadable", raw=scores)
        return self._answer(scores)

    def _run(self, ids: list[int]) -> np.ndarray:
        """Calibrated probabilities, float64 (labels,), of one window."""
        row = np.array([[self._tokenizer.cls, *ids, self._tokenizer.sep]], dtype=np.int64)
        logits = self._engine(row, np.ones_like(row))[0].astype(np.float64) / self.config.temperature
        if self.config.multi_label:
            return np.asarray(1 / (1 + np.exp(-logits)))
        exp = np.exp(logits - logits.max())
        return np.asarray(exp / exp.sum())

    def _answer(self, scores: np.ndarray, *, reason: str | None = None, raw: np.ndarray | None = None) -> Prediction:
        best = int(scores.argmax())
        label = self.labels[best]
        score = float(scores[best])
        given = None
        if self.config.multi_label:
            at = zip(self.labels, scores, self.config.label_thresholds, strict=True)
            given = tuple(name for name, found, threshold in at if found >= threshold)
        if reason is None and score < self.config.threshold:
            reason = "low_confidence"
        return Prediction(
            label=label,
            emoji=emoji_of(label),
            score=score,
            scores=dict(zip(self.labels, scores.tolist(), strict=True)),
            raw_label=label if raw is None else self.labels[int(raw.argmax())],
            reason=reason,
            labels=given,
        )

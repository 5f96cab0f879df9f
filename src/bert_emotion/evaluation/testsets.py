"""The held-out sets, each as texts, truth and the way it is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion.data.prepare import read_table
from bert_emotion.data.sources import NO_LABEL, OWN, Split
from bert_emotion.evaluation.metrics import (
    accuracy,
    bootstrap_interval,
    calibration_error,
    confusion_matrix,
    f1_per_label,
    macro_f1,
)
from bert_emotion.labels import LABELS, Emotion

Predict = Callable[[list[str]], np.ndarray]
"""Texts to probabilities (n, 13)."""


@dataclass(frozen=True)
class TestSet:
    """A held-out set.

    Attributes:
        name: what it is called in reports.
        texts: the texts.
        truth: label ids, int64 (n,); in a sarcasm set ``NO_LABEL`` means "not Sarcasm".
        labels: ids that occur in the set; macro-F1 is their mean.
        binary: scored as Sarcasm against the rest.
        kinds: the kind of each row, such as "long texts"; empty but in sets of this project's own text.
    """

    __test__ = False  # not a pytest class

    name: str
    texts: list[str]
    truth: np.ndarray
    labels: list[int]
    binary: bool = False
    kinds: tuple[str, ...] = ()


KINDS = {"long": "long texts", "plain": "plain messages"}
"""Kinds of our own rows by how the name of their file begins; all others are sentences."""
SINCERE = ("gratitude", "admiration", "love", "joy")
"""GoEmotions' labels whose comments are hardly ever sarcastic."""
_SETS: dict[str, tuple[str, Split, bool]] = {
    "authored test": ("authored", "test", False),
    "unseen test": ("unseen", "test", False),
    "GoEmotions test (12 labels)": ("goemotions", "test", False),
    "iSarcasmEval test": ("isarcasmeval", "test", True),
    "BRIGHTER English dev": ("brighter", "test", False),
}


def load(prepared: Path, name: str) -> TestSet:
    """One held-out set; rows without a single label among the 13 are left out.

    Args:
        prepared: output of the data step.
        name: a key of ``_SETS``.
    """
    source, split, binary = _SETS[name]
    table = read_table(prepared, source, split).to_pydict()
    rows = [i for i, label in enumerate(table["label"]) if binary or label != NO_LABEL]
    truth = np.asarray([table["label"][i] for i in rows], dtype=np.int64)
    labels = [int(Emotion.SARCASM)] if binary else sorted(set(truth.tolist()))
    kinds = tuple(_kind(table["group"][i]) for i in rows) if source in OWN else ()
    return TestSet(name, [table["text"][i] for i in rows], truth, labels, binary, kinds)


def _kind(group: str) -> str:
    return next((kind for start, kind in KINDS.items() if group.startswith(start)), "sentences")


def parts(test: TestSet) -> Iterator[tuple[TestSet, np.ndarray]]:
    """Each kind of text in a set of our own text as a set, and which rows it has, bool (n,)."""
    for kind in dict.fromkeys(test.kinds):
        chosen = np.array([found == kind for found in test.kinds])
        truth = test.truth[chosen]
        texts = [text for text, is_in in zip(test.texts, chosen, strict=True) if is_in]
        yield TestSet(f"{test.name} ({kind})", texts, truth, sorted(set(truth.tolist()))), chosen


def score(probabilities: np.ndarray, test: TestSet) -> dict[str, Any]:
    """All figures of one set: accuracy, macro-F1 with 95 % intervals, per label, calibration."""
    predicted = probabilities.argmax(axis=1)
    if test.binary:
        said, is_so = predicted == Emotion.SARCASM, test.truth == Emotion.SARCASM
        hits = int((said & is_so).sum())
        precision, recall = hits / max(1, int(said.sum())), hits / max(1, int(is_so.sum()))
        sarcastic_f1 = 2 * hits / max(1, int(said.sum() + is_so.sum()))
        return {"rows": len(test.texts), "sarcastic_f1": sarcastic_f1, "precision": precision, "recall": recall}
    size = len(LABELS)
    f1 = f1_per_label(test.truth, predicted, size)
    interval = bootstrap_interval(test.truth, predicted, size)
    return {
        "rows": len(test.texts),
        "accuracy": accuracy(test.truth, predicted),
        "accuracy_95": interval["accuracy"],
        "macro_f1": macro_f1(test.truth, predicted, size, test.labels),
        "macro_f1_95": interval["macro_f1"],
        "ece": calibration_error(probabilities, test.truth),
        "per_label_f1": {LABELS[i]: float(f1[i]) for i in test.labels},
        "confusion": confusion_matrix(test.truth, predicted, size).tolist(),
    }


def answers(predict: Predict, prepared: Path) -> dict[str, tuple[TestSet, np.ndarray]]:
    """Every held-out set, and each part of one, with a model's probabilities for it; each text is read once."""
    found: dict[str, tuple[TestSet, np.ndarray]] = {}
    for name, (source, _, _) in _SETS.items():
        test = load(prepared, name)
        probabilities = predict(test.texts)
        if source != "unseen":  # its parts are tests of their own
            found[name] = test, probabilities
        for some, chosen in parts(test):
            found[some.name] = some, probabilities[chosen]
    return found


def evaluate(predict: Predict, prepared: Path) -> dict[str, Any]:
    """Figures of every held-out test set."""
    return {name: score(probabilities, test) for name, (test, probabilities) in answers(predict, prepared).items()}


def sincere_as_sarcasm(probabilities: np.ndarray, prepared: Path) -> dict[str, dict[str, Any]]:
    """How often GoEmotions' test comments of each label of ``SINCERE``, and of no other label, are called Sarcasm.

    Args:
        probabilities: a model's for ``load(prepared, "GoEmotions test (12 labels)")``, (n, 13).
        prepared: output of the data step.
    """
    table = read_table(prepared, "goemotions", "test").to_pydict()
    rows = zip(table["foreign"], table["label"], strict=True)
    names = np.array([said for said, label in rows if label != NO_LABEL])  # the rows of ``load``
    sarcastic = probabilities.argmax(axis=1) == Emotion.SARCASM
    return {
        name: {"texts": int((names == name).sum()), "called_sarcasm": float(sarcastic[names == name].mean())}
        for name in SINCERE
        if (names == name).any()
    }

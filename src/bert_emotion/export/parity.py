"""Does an exported model answer as the trained one? Measured on a fixed set of texts, the same for every format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bert_emotion.errors import ExportError
from bert_emotion.evaluation.metrics import accuracy, macro_f1, softmax

TEXTS = Path(__file__).with_name("parity.jsonl")
"""50 authored development texts of each label: never trained on, never reported as a test."""


@dataclass(frozen=True)
class Parity:
    """An export beside the float32 model, on the texts of ``TEXTS``.

    Attributes:
        texts: how many texts.
        max_length: tokens of a text that both sides read.
        equal_labels: share of texts with the same best label, 0-1.
        max_probability_difference: largest change of any probability.
        mean_probability_difference: mean change over all texts and labels.
        macro_f1_loss: macro-F1 of float32 minus that of the export; against the texts' own labels where the
            model has them, else against the answers of float32 (whose macro-F1 is then 1).
    """

    texts: int
    max_length: int
    equal_labels: float
    max_probability_difference: float
    mean_probability_difference: float
    macro_f1_loss: float

    def require(self, equal_labels: float, what: str) -> None:
        """Refuse an export that keeps fewer labels than it must.

        Raises:
            ExportError: fewer than `equal_labels` of the texts kept their label.
        """
        if self.equal_labels < equal_labels:
            raise ExportError(
                f"{what} gives the label of the float32 model for {self.equal_labels:.1%} of {self.texts} texts, "
                f"at least {equal_labels:.1%} are required; nothing was written."
            )


def parity_texts() -> tuple[list[str], list[str]]:
    """The texts and their label names."""
    rows = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def compare(expected: np.ndarray, found: np.ndarray, truth: list[str], labels: tuple[str, ...], length: int) -> Parity:
    """Parity of two sets of logits, float (n, labels), for the same texts."""
    before, after = expected.argmax(1), found.argmax(1)
    ids = {label: i for i, label in enumerate(labels)}
    known = all(label in ids for label in truth)
    true = np.array([ids[label] for label in truth]) if known else before
    difference = np.abs(softmax(expected.astype(np.float64)) - softmax(found.astype(np.float64)))
    return Parity(
        texts=len(expected),
        max_length=length,
        equal_labels=round(accuracy(before, after), 4),
        max_probability_difference=round(float(difference.max()), 6),
        mean_probability_difference=round(float(difference.mean()), 6),
        macro_f1_loss=round(macro_f1(true, before, len(labels)) - macro_f1(true, after, len(labels)), 4),
    )

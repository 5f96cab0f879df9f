"""Scores of answers, single- and multi-label alike: rates, intervals, significance, calibration, length.

Rates are scikit-learn's. ``macro`` and ``weighted`` are means over the labels that occur in the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import log_loss, precision_recall_fscore_support

from bert_emotion.evaluation.contenders import Facts
from bert_emotion.evaluation.label_space import Fit, Truth, fit
from bert_emotion.evaluation.metrics import calibration_error
from bert_emotion.evaluation.reliability import reliability_bins

ROUNDS = 1000
"""Resamplings of a bootstrap."""
SEED = 13
LENGTHS = (4, 8, 16, 32, 64, 128)
"""Upper ends, in words, of the classes of length."""
EXACT_BELOW = 25
"""Rows on which two models differ, below which McNemar's test is computed exactly."""
_CELLS = 4_000_000


@dataclass(frozen=True)
class Answers:
    """What a model said, in the names of the data.

    Attributes:
        fit: where its labels stand.
        scores: float64 (texts, ``fit.names``).
        best: column of the highest score, int64 (texts,).
        given: which names are given, bool (texts, ``fit.names``); one a text unless the data are multi-label.
        right: the given names are exactly the true ones, bool (texts,).
        shared: the model can give every true label of the text, bool (texts,).
    """

    fit: Fit
    scores: np.ndarray
    best: np.ndarray
    given: np.ndarray
    right: np.ndarray
    shared: np.ndarray


def read_answers(raw: np.ndarray, facts: Facts, truth: Truth) -> Answers:
    """Scores in a model's own labels as answers in the data's names.

    Raises:
        InputError: the model knows none of the data's labels.
    """
    found = fit(facts.labels, truth.names, facts.table)
    scores = found.scores(raw, facts.multi_label)
    best = scores.argmax(axis=1)
    if truth.multi_label and facts.multi_label:
        given = found.given(raw >= np.asarray(facts.thresholds))
    else:
        given = np.zeros(scores.shape, dtype=bool)
        given[np.arange(len(best)), best] = True
    extra = given[:, len(truth.names) :].any(axis=1)
    right = np.asarray((given[:, : len(truth.names)] == truth.given).all(axis=1) & ~extra)
    cannot = [not columns for columns in found.columns[: len(truth.names)]]
    shared = np.asarray(~truth.given[:, cannot].any(axis=1))
    return Answers(found, scores, best, given, right, shared)


def block(truth: Truth, answers: Answers, rows: np.ndarray | None = None) -> dict[str, Any]:
    """Accuracy, precision, recall and F1 with 95 % intervals.

    Args:
        truth: the data.
        answers: what was said.
        rows: only these texts, bool (texts,); None: all.
    """
    chosen = np.ones(len(truth.texts), dtype=bool) if rows is None else rows
    given, said, right = truth.given[chosen], answers.given[chosen][:, : len(truth.names)], answers.right[chosen]
    over = np.flatnonzero(given.any(axis=0))
    figures: dict[str, Any] = {"rows": int(chosen.sum()), "labels": len(over), "accuracy": float(right.mean())}
    for kind in ("macro", "weighted", *(("micro",) if truth.multi_label else ())):
        precision, recall, f1, _ = precision_recall_fscore_support(
            given[:, over], said[:, over], average=kind, zero_division=0
        )
        figures |= {
            f"{kind}_precision": float(precision),
            f"{kind}_recall": float(recall),
            f"{kind}_f1": float(f1),
        }
    if not truth.multi_label:
        figures["balanced_accuracy"] = figures["macro_recall"]  # the same by definition
    draws = resampled(given, [(said, right)], over)[0]
    for name, values in draws.items():
        figures[f"{name}_95"] = [float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))]
    return figures


def resampled(
    given: np.ndarray, parts: Sequence[tuple[np.ndarray, np.ndarray]], over: np.ndarray, rounds: int = ROUNDS
) -> list[dict[str, np.ndarray]]:
    """Bootstrap: the scores of each of `parts` on the same resampled rows.

    Rows that look alike (same truth, same answers) are drawn together by one multinomial draw a round, which
    is the same as drawing single rows and does not grow with their number.

    Args:
        given: true labels, bool (rows, labels).
        parts: a model's given labels, bool (rows, labels), and whether each row is right.
        over: labels that macro and weighted averages run over.
        rounds: resamplings.

    Returns:
        For each part accuracy, macro_f1 and weighted_f1, float64 (rounds,) each.
    """
    columns = [given, *(said for said, _ in parts), *(right[:, None] for _, right in parts)]
    packed = np.packbits(np.concatenate(columns, axis=1), axis=1)
    _, first, counts = np.unique(packed, axis=0, return_index=True, return_counts=True)
    rng = np.random.default_rng(SEED)
    out: list[dict[str, list[np.ndarray]]] = [{"accuracy": [], "macro_f1": [], "weighted_f1": []} for _ in parts]
    step = max(1, _CELLS // len(first))
    for start in range(0, rounds, step):
        drawn = rng.multinomial(len(given), counts / counts.sum(), size=min(step, rounds - start)).astype(float)
        truth = given[first][:, over].astype(float)
        support = drawn @ truth
        for (said, right), kept in zip(parts, out, strict=True):
            answer = said[first][:, over].astype(float)
            hits, total = drawn @ (truth * answer), support + drawn @ answer
            f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
            kept["accuracy"].append(drawn @ right[first] / len(given))
            # a round may draw no text of a rare label: it has no F1 then, rather than 0
            kept["macro_f1"].append((f1 * (support > 0)).sum(axis=1) / np.maximum((support > 0).sum(axis=1), 1))
            kept["weighted_f1"].append((f1 * support).sum(axis=1) / np.maximum(support.sum(axis=1), 1))
    return [{name: np.concatenate(values) for name, values in kept.items()} for kept in out]


def per_label(truth: Truth, answers: Answers) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of texts of every label of the data; whether the model can give it."""
    size = len(truth.names)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth.given.astype(int), answers.given[:, :size].astype(int), average=None, zero_division=0
    )
    return [
        {
            "label": name,
            "texts": int(support[i]),
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "can_give": bool(answers.fit.columns[i]),
        }
        for i, name in enumerate(truth.names)
    ]


def confusion(truth: Truth, answers: Answers) -> dict[str, Any]:
    """Counts of true label (row, labels of the data) against answer (column, what was answered too)."""
    size = len(answers.fit.names)
    cells = truth.given.argmax(axis=1) * size + answers.best
    counts = np.bincount(cells, minlength=len(truth.names) * size).reshape(len(truth.names), size)
    columns = [i for i in range(size) if i < len(truth.names) or counts[:, i].any()]
    return {
        "true": list(truth.names),
        "answered": [answers.fit.names[i] for i in columns],
        "counts": counts[:, columns].tolist(),
    }


def top_k(truth: Truth, answers: Answers, ks: Sequence[int] = (2, 3)) -> dict[str, float]:
    """Share of texts whose label is among the k best, for each k below the number of labels."""
    ids = truth.given.argmax(axis=1)
    true_scores = answers.scores[np.arange(len(ids)), ids]
    better = (answers.scores > true_scores[:, None]).sum(axis=1)
    possible = answers.shared  # a label that cannot be given is never among the best
    able = sum(bool(columns) for columns in answers.fit.columns)
    return {str(k): float(((better < k) & possible).mean()) for k in ks if k < able}


def calibration(truth: Truth, answers: Answers) -> dict[str, Any]:
    """ECE, reliability in bins of confidence, and log loss over the texts whose label the model can give."""
    bins = reliability_bins(answers.scores.max(axis=1), answers.right)
    ids = truth.given.argmax(axis=1)
    figures: dict[str, Any] = {"ece": calibration_error(answers.scores, ids), "reliability": bins, "log_loss": None}
    if answers.shared.any():
        able = [i for i, columns in enumerate(answers.fit.columns) if columns]
        places = {column: i for i, column in enumerate(able)}
        p = answers.scores[answers.shared][:, able]
        p = p / np.maximum(p.sum(axis=1, keepdims=True), 1e-12)
        known = [places[i] for i in ids[answers.shared].tolist()]
        if len(able) > 1:
            figures["log_loss"] = float(log_loss(known, p, labels=list(range(len(able)))))
    return figures


def confidence_at(answers: Answers, threshold: float) -> dict[str, Any]:
    """Share of answers at or over a threshold of confidence, and how many of these and of the rest are right."""
    kept = answers.scores.max(axis=1) >= threshold
    return {
        "threshold": threshold,
        "coverage": float(kept.mean()),
        "kept_accuracy": float(answers.right[kept].mean()) if kept.any() else None,
        "rest_accuracy": float(answers.right[~kept].mean()) if not kept.all() else None,
    }


def by_length(truth: Truth, answers: Answers) -> list[dict[str, Any]]:
    """Accuracy by number of words, with 95 % Wilson intervals; classes without a text are left out."""
    words = np.array([len(text.split()) for text in truth.texts])
    slot = np.searchsorted(LENGTHS, words)
    out = []
    for i in range(len(LENGTHS) + 1):
        inside = slot == i
        if inside.any():
            low = 1 if i == 0 else LENGTHS[i - 1] + 1
            name = f"{low}-{LENGTHS[i]}" if i < len(LENGTHS) else f"{low}+"
            hits, rows = int(answers.right[inside].sum()), int(inside.sum())
            out.append({"words": name, "texts": rows, "accuracy": hits / rows, "accuracy_95": wilson(hits, rows)})
    return out


def wilson(hits: int, rows: int, z: float = 1.959964) -> list[float]:
    """95 % interval of a share (Wilson 1927)."""
    share, spread = hits / rows, z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / rows + spread / (4 * rows)) / (1 + spread)
    return [max(0.0, middle - half), min(1.0, middle + half)]


def worst(truth: Truth, answers: Answers, most: int) -> list[dict[str, Any]]:
    """The wrong answers, surest first.

    Of a multi-label answer the surest mistake counts: the label that is wrongly given or withheld.
    """
    names = answers.fit.names
    if truth.multi_label:
        full = np.zeros(answers.given.shape, dtype=bool)
        full[:, : len(truth.names)] = truth.given
        sure = np.where(full, 1 - answers.scores, answers.scores) * (full != answers.given)
        confidence = sure.max(axis=1)
    else:
        confidence = answers.scores.max(axis=1)
    wrong = np.flatnonzero(~answers.right)
    ranked = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    return [
        {
            "text": truth.texts[i],
            "true": [truth.names[j] for j in np.flatnonzero(truth.given[i])],
            "answered": [names[j] for j in np.flatnonzero(answers.given[i])],
            "confidence": float(confidence[i]),
        }
        for i in ranked.tolist()
    ]


def mcnemar(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """McNemar's test of two models on the same rows: exact for few differences, else corrected for continuity.

    Args:
        first: rows that the first got right, bool.
        second: the same of the second.
    """
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    differing = only_first + only_second
    if differing < EXACT_BELOW:
        kind = "exact"
        p = float(stats.binomtest(only_first, differing).pvalue) if differing else 1.0
    else:
        kind = "chi-squared with continuity correction"
        p = float(stats.chi2.sf(max(0, abs(only_first - only_second) - 1) ** 2 / differing, 1))
    return {"only_first_right": only_first, "only_second_right": only_second, "p": p, "kind": kind}


def paired_bootstrap(truth: Truth, first: Answers, second: Answers, rounds: int = 2 * ROUNDS) -> dict[str, Any]:
    """Difference in macro F1 (first minus second) on the same resampled rows, its 95 % interval and p value."""
    size = len(truth.names)
    over = np.flatnonzero(truth.given.any(axis=0))
    parts = [(answers.given[:, :size], answers.right) for answers in (first, second)]
    one, two = resampled(truth.given, parts, over, rounds)
    drawn = one["macro_f1"] - two["macro_f1"]
    beyond = min(float((drawn <= 0).mean()), float((drawn >= 0).mean()))
    points = [
        precision_recall_fscore_support(truth.given[:, over], said[:, over], average="macro", zero_division=0)[2]
        for said, _ in parts
    ]
    return {
        "difference": float(points[0] - points[1]),
        "difference_95": [float(np.percentile(drawn, 2.5)), float(np.percentile(drawn, 97.5))],
        # no p value can be smaller than what so many rounds resolve
        "p": min(1.0, max(2 * beyond, 1 / rounds)),
    }

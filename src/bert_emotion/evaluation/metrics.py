"""Metrics in numpy, so that an evaluation needs no more than the base install.

Names follow scikit-learn: ``macro_f1`` is ``f1_score(average="macro")``, and a label without any row and any
prediction counts as 0 only when it stands in `labels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, size: int) -> np.ndarray:
    """Counts, int64 (size, size): rows are the truth, columns the prediction."""
    cells = truth.astype(np.int64) * size + predicted
    matrix: np.ndarray = np.bincount(cells, minlength=size * size).reshape(size, size)
    return matrix


def f1_per_label(truth: np.ndarray, predicted: np.ndarray, size: int) -> np.ndarray:
    """F1 of every label, float64 (size,), 0-1; 0 where a label is neither true nor predicted."""
    matrix = confusion_matrix(truth, predicted, size)
    hits = np.diag(matrix).astype(float)
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    f1: np.ndarray = np.divide(2 * hits, total, out=np.zeros(size), where=total > 0)
    return f1


def macro_f1(truth: np.ndarray, predicted: np.ndarray, size: int, labels: Sequence[int] | None = None) -> float:
    """Mean F1 over `labels` (default: all of the `size` labels)."""
    scores = f1_per_label(truth, predicted, size)
    chosen = scores if labels is None else scores[list(labels)]
    return float(chosen.mean())


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of right answers, 0-1."""
    return float((truth == predicted).mean())


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities along the last axis."""
    scaled = logits / temperature
    exp = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=-1, keepdims=True))


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error with equal-width bins (Guo et al. 2017, arXiv:1706.04599), 0-1."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    slot = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = slot == b
        if inside.any():
            error += float(inside.mean()) * abs(float(right[inside].mean()) - float(confidence[inside].mean()))
    return error


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """Temperature, 0.2-5, at which the mean confidence is the accuracy (Clarté et al. 2023, arXiv:2303.02644).

    On dev the calibration error of every size is lower with it than with the temperature of least negative
    log-likelihood (Guo et al. 2017), which leaves them overconfident.
    """
    right = float((logits.argmax(axis=1) == truth).mean())
    low, high = 0.2, 5.0
    for _ in range(30):  # the confidence falls as the temperature rises
        middle = math.sqrt(low * high)
        if softmax(logits, middle).max(axis=1).mean() > right:
            low = middle
        else:
            high = middle
    return round(math.sqrt(low * high), 4)


def fit_threshold(probabilities: np.ndarray, truth: np.ndarray, wanted: float = 0.95) -> tuple[float, float]:
    """Lowest confidence at which the kept answers reach `wanted` accuracy; returns (threshold, coverage).

    Where even the surest answers do not reach it, the threshold is that of the surest tenth.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    order = np.argsort(-confidence)
    kept = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.nonzero(kept >= wanted)[0]
    last = int(enough[-1]) if len(enough) else max(0, len(order) // 10 - 1)
    return round(float(confidence[order[last]]), 4), (last + 1) / len(order)


def interval_of(
    score: Callable[[np.ndarray], dict[str, float]], rows: int, *, rounds: int = 1000, seed: int = 13
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap interval of every figure that `score` gives for chosen rows, int64 (rows,)."""
    rng = np.random.default_rng(seed)
    draws = [score(rng.integers(0, rows, rows)) for _ in range(rounds)]
    bounds = {key: np.percentile([drawn[key] for drawn in draws], [2.5, 97.5]) for key in draws[0]}
    return {key: (float(low), float(high)) for key, (low, high) in bounds.items()}


def bootstrap_interval(
    truth: np.ndarray, predicted: np.ndarray, size: int, *, rounds: int = 1000, seed: int = 13
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of accuracy and macro-F1 over resampled rows."""
    present = sorted(set(truth.tolist()))

    def score(chosen: np.ndarray) -> dict[str, float]:
        drawn = truth[chosen], predicted[chosen]
        return {"accuracy": accuracy(*drawn), "macro_f1": macro_f1(*drawn, size, present)}

    return interval_of(score, len(truth), rounds=rounds, seed=seed)

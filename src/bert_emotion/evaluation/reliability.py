"""Confidence against accuracy, in bins."""

from __future__ import annotations

from typing import Any

import numpy as np

BINS = 10


def reliability_bins(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Mean confidence, accuracy and number of texts of every bin of confidence that holds a text.

    Args:
        confidence: score of each answer, 0-1, float (n,).
        right: whether it is right, bool (n,).
    """
    slot = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "confidence": float(confidence[slot == b].mean()),
            "accuracy": float(right[slot == b].mean()),
            "texts": int((slot == b).sum()),
        }
        for b in range(BINS)
        if (slot == b).any()
    ]

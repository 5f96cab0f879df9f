"""Time of one text."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

MOST_TEXTS = 300
WARM_UP = 5


def latency(scores: Callable[[list[str]], np.ndarray], texts: list[str]) -> dict[str, float]:
    """Milliseconds of one text alone, over at most ``MOST_TEXTS`` texts spread over the data, after a warm-up.

    Returns:
        ``latency_texts``, ``p50_ms`` and ``p99_ms``.
    """
    chosen = [texts[i] for i in np.linspace(0, len(texts) - 1, min(MOST_TEXTS, len(texts))).astype(int)]
    for text in chosen[:WARM_UP]:
        scores([text])
    taken = []
    for text in chosen:
        start = time.perf_counter()
        scores([text])
        taken.append(1e3 * (time.perf_counter() - start))
    p50, p99 = np.percentile(taken, [50, 99])
    return {"latency_texts": len(chosen), "p50_ms": float(p50), "p99_ms": float(p99)}

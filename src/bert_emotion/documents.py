"""Long texts: cut into sentence windows, and the windows' answers made into one."""

from __future__ import annotations

import re

import numpy as np

from bert_emotion.tokenizer import Tokens

# Ends of sentences in the sense of "a good place to cut": marks with closing quotes, and line breaks.
_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s)|\n+")

NEUTRAL_SHARE = 0.25
"""A window that is surely neutral counts this much of one that is surely not: plain passages of a long
text must not outvote the passage that carries its emotion."""


def windows(tokens: Tokens, size: int) -> list[list[int]]:
    """Cut a text's ids into windows of at most `size` tokens, of like length and at sentence ends where possible.

    Args:
        tokens: the whole text.
        size: room in tokens, without the special ones, at least 1.

    Returns:
        The ids, nothing left out: joined they are ``tokens.ids``. A text that fits is one window.
    """
    total = len(tokens.ids)
    if total <= size:
        return [tokens.ids]
    ends = tokens.ends()
    sentence_ends = [match.end() for match in _SENTENCE_END.finditer(tokens.text)]
    # index of the first token behind every sentence end
    cuts = np.unique(np.searchsorted(np.asarray(ends), np.asarray(sentence_ends, dtype=np.int64), side="right"))
    out: list[list[int]] = []
    start = 0
    while start < total:
        left = total - start
        if left <= size:
            out.append(tokens.ids[start:])
            break
        wanted = start + -(-left // -(-left // size))  # even share of what is left
        inside = cuts[(cuts > start) & (cuts <= start + size)]
        end = int(inside[np.argmin(np.abs(inside - wanted))]) if len(inside) else start + size
        out.append(tokens.ids[start:end])
        start = end
    return out


def combine(probabilities: np.ndarray, lengths: list[int], neutral: int | None) -> np.ndarray:
    """One answer for a text out of its windows' answers.

    Args:
        probabilities: (windows, labels), each row summing to 1.
        lengths: tokens of each window.
        neutral: column of Neutral; None where the label set has none.

    Returns:
        Weighted mean, (labels,), summing to 1. A window weighs by its length and by how little neutral it is.
    """
    weights = np.asarray(lengths, dtype=np.float64)
    if neutral is not None:
        weights *= 1 - (1 - NEUTRAL_SHARE) * probabilities[:, neutral]
    return np.asarray(weights @ probabilities / weights.sum())

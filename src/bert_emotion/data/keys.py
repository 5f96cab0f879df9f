"""When are two texts the same text? The keys by which the data step finds copies."""

from __future__ import annotations

import re
import unicodedata

NEAR_COPY_MIN_WORDS = 5
"""Shorter texts differ too easily by one word: only exact copies count there."""
NEAR_COPY_MAX_WORDS = 60

_NOT_WORD = re.compile(r"[\W_]+")
_RUN = re.compile(r"(.)\1{2,}")


def normalise(text: str) -> str:
    """The key under which two texts are the same: case, accents, punctuation, spacing and elongation gone.

    Emoji-only and punctuation-only texts keep their characters, so that they do not all collapse into one.
    """
    folded = unicodedata.normalize("NFKD", text.replace("’", "'").replace("'", "")).casefold()
    folded = "".join(c for c in folded if not unicodedata.combining(c))
    words = _NOT_WORD.sub(" ", _RUN.sub(r"\1\1", folded)).strip()
    return words or " ".join(text.split())


def near_keys(normalised: str) -> list[str]:
    """Keys that two texts share when they differ by one word (added, dropped or replaced)."""
    words = normalised.split()
    if not NEAR_COPY_MIN_WORDS <= len(words) <= NEAR_COPY_MAX_WORDS:
        return []
    return [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]

"""How many answers stay the same when a text is typed differently."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import numpy as np

from bert_emotion.evaluation.testsets import Predict

_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]+")
_LETTERS = re.compile(r"[A-Za-z]{4,}")


def _typos(text: str, rng: random.Random) -> str:
    """Two neighbouring letters swapped in one word of about every eight, at least one."""
    words = list(_LETTERS.finditer(text))
    for word in rng.sample(words, min(len(words), 1 + len(words) // 8)):
        at = rng.randrange(word.start() + 1, word.end() - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text


def _elongation(text: str, rng: random.Random) -> str:
    words = list(_LETTERS.finditer(text))
    if not words:
        return text
    end = rng.choice(words).end()
    return text[:end] + text[end - 1] * rng.randint(2, 5) + text[end:]


PERTURBATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "typos": _typos,
    "upper case": lambda text, rng: text.upper(),
    "lower case, no punctuation": lambda text, rng: re.sub(r"[^\w\s'’]", "", text).lower(),
    "elongation": _elongation,
    "extra punctuation": lambda text, rng: text.rstrip(".!? ") + rng.choice(("!!!", "...", "!?", " .")),
    "emoji removed": lambda text, rng: _EMOJI.sub("", text),
}
"""Name to the change; each takes a text and a random generator."""


def robustness(predict: Predict, texts: list[str], *, seed: int = 13) -> dict[str, dict[str, float]]:
    """Share of equal labels before and after each change, over the texts that it changes.

    Returns:
        ``{name: {"texts": changed texts, "unchanged_answers": share 0-1}}``
    """
    before = predict(texts).argmax(axis=1)
    out = {}
    for name, change in PERTURBATIONS.items():
        rng = random.Random(f"{seed}/{name}")
        changed = [change(text, rng) for text in texts]
        rows = [i for i, (old, new) in enumerate(zip(texts, changed, strict=True)) if old != new and new.strip()]
        after = predict([changed[i] for i in rows]).argmax(axis=1)
        out[name] = {"texts": len(rows), "unchanged_answers": float(np.mean(after == before[rows])) if rows else 1.0}
    return out

"""Light changes to a text that leave its emotion alone: casing, typos, punctuation, emoji, neutral company."""

from __future__ import annotations

import random
import re

from bert_emotion.labels import Emotion

# Emoji that people use for one emotion almost alone; several-faced ones (🙃 😅 💀) are left out.
CLEAR_EMOJI: dict[Emotion, str] = {
    Emotion.SADNESS: "😢😭😞💔😿🥀",
    Emotion.ANGER: "😠😡🤬😤",
    Emotion.LOVE: "❤🥰😘💕💗💖💞😻",
    Emotion.SURPRISE: "😲😮🤯😯",
    Emotion.FEAR: "😱😨😰😧",
    Emotion.HAPPINESS: "😄😃😊🎉🥳😁😂🙌",
    Emotion.DISGUST: "🤢🤮",
    Emotion.SHAME: "🙈🫣",
    Emotion.GUILT: "😔🙏",
    Emotion.CONFUSION: "😕🤔🤨",
    Emotion.DESIRE: "🤤🔥",
    Emotion.SARCASM: "🙄😏",
}
_WORD = re.compile(r"[A-Za-z]{4,}")


def typo(text: str, rng: random.Random) -> str:
    """One slip of the fingers in one longer word: two letters swapped, one dropped or one doubled."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at] + text[at:]


def plain(text: str, rng: random.Random) -> str:
    """Lower case without closing marks and apostrophes, as typed on a phone."""
    return re.sub(r"[.!,;'’\"]", "", text).lower().strip()


def louder(text: str, rng: random.Random) -> str:
    """Another closing mark, or an elongated last word."""
    bare = text.rstrip(".! ")
    if rng.random() < 0.5 and bare and bare[-1].isalpha():
        return bare + bare[-1] * rng.randint(2, 4)
    return bare + rng.choice(("!", "!!", "...", ""))


def with_emoji(text: str, label: int, rng: random.Random) -> str:
    """The text with one or two clear emoji of its label; Neutral stays as it is."""
    choices = CLEAR_EMOJI.get(Emotion(label))
    if not choices:
        return text
    return f"{text.rstrip('. ')} {rng.choice(choices) * rng.choice((1, 1, 2))}"


def variant(text: str, label: int, rng: random.Random) -> str:
    """One changed copy of a text of the given label."""
    roll = rng.random()
    if roll < 0.3:
        return typo(text, rng)
    if roll < 0.55:
        return plain(text, rng)
    if roll < 0.75:
        return louder(text, rng)
    return with_emoji(text, label, rng)


def emoji_only(rng: random.Random, count: int) -> list[tuple[str, int]]:
    """Messages of nothing but emoji, with their labels."""
    labels = list(CLEAR_EMOJI)
    out = []
    for _ in range(count):
        label = rng.choice(labels)
        out.append(("".join(rng.choices(CLEAR_EMOJI[label], k=rng.randint(1, 3))), int(label)))
    return out

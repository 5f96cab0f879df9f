"""The taxonomy: 13 emotions in a fixed order, and how foreign label sets map onto it."""

from __future__ import annotations

from enum import IntEnum


class Emotion(IntEnum):
    """One of the 13 labels; the integer is its id, and the column of every score array.

    >>> Emotion.LOVE.label, Emotion.LOVE.emoji, int(Emotion.LOVE)
    ('Love', '❤️', 2)
    """

    SADNESS = 0
    ANGER = 1
    LOVE = 2
    SURPRISE = 3
    FEAR = 4
    HAPPINESS = 5
    NEUTRAL = 6
    DISGUST = 7
    SHAME = 8
    GUILT = 9
    CONFUSION = 10
    DESIRE = 11
    SARCASM = 12

    @property
    def label(self) -> str:
        """The name as it is written everywhere, for example ``"Love"``."""
        return self.name.capitalize()

    @property
    def emoji(self) -> str:
        """The emoji that stands for the label."""
        return _EMOJI_AND_MEANING[self][0]

    @property
    def meaning(self) -> str:
        """What the label covers, in one line."""
        return _EMOJI_AND_MEANING[self][1]


_EMOJI_AND_MEANING: dict[Emotion, tuple[str, str]] = {
    Emotion.SADNESS: ("😢", "sorrow, grief, loneliness, disappointment, hopelessness"),
    Emotion.ANGER: ("😠", "annoyance, frustration, outrage, resentment"),
    Emotion.LOVE: ("❤️", "affection, tenderness, caring, adoration for a person, pet, place or thing"),
    Emotion.SURPRISE: ("😲", "something unexpected happened or was learnt; astonishment, good or bad"),
    Emotion.FEAR: ("😱", "scared, anxious, nervous, worried about what may come"),
    Emotion.HAPPINESS: ("😄", "joy, amusement, excitement, pride, relief, gratitude, optimism"),
    Emotion.NEUTRAL: ("😐", "information, requests, plans, small talk; no marked emotion"),
    Emotion.DISGUST: ("🤢", "revulsion, physical or moral; repelled"),
    Emotion.SHAME: ("🙈", "feeling small or exposed in others' eyes: embarrassment, humiliation"),
    Emotion.GUILT: ("😔", "remorse for something one did or failed to do to somebody"),
    Emotion.CONFUSION: ("😕", "not understanding, unsure what is meant or what is going on"),
    Emotion.DESIRE: ("🔥", "wanting, craving, longing, wishing for something or someone"),
    Emotion.SARCASM: ("😏", "saying the opposite of what is meant, mocking irony"),
}

LABELS: tuple[str, ...] = tuple(emotion.label for emotion in Emotion)
"""The 13 names in id order."""

OWN_LABEL_EMOJI = "🏷️"
"""Stands beside a label that is none of the 13."""

EMOJI: dict[str, str] = {emotion.label: emotion.emoji for emotion in Emotion}
"""Label name to emoji."""


def emoji_of(label: str) -> str:
    """Emoji of a label; a label of somebody's own set that is none of the 13 gets a plain mark."""
    return EMOJI.get(label, OWN_LABEL_EMOJI)


LABEL_IDS: dict[str, int] = {emotion.label: int(emotion) for emotion in Emotion}
"""Label name to id."""

EXAMPLES: tuple[tuple[str, str], ...] = (
    ("I love you so much!", "Love"),
    ("This is absolutely disgusting!", "Disgust"),
    ("I'm so happy with my new phone!", "Happiness"),
    ("Why does this always break?", "Anger"),
    ("I feel so alone right now.", "Sadness"),
    ("What just happened?!", "Surprise"),
    ("I'm terrified of this update failing.", "Fear"),
    ("Meh, it's just okay.", "Neutral"),
    ("I shouldn't have said that.", "Shame"),
    ("I feel bad for forgetting.", "Guilt"),
    ("Wait, what does this mean?", "Confusion"),
    ("I really want that new gadget!", "Desire"),
    ("Oh sure, like that's gonna work.", "Sarcasm"),
)
"""The 13 example sentences (text, label): always a test, never training data."""

# --- foreign label sets ------------------------------------------------------------------------------
# A foreign label that is missing here has no counterpart among the 13; a row that carries one is dropped.

GOEMOTIONS: dict[str, Emotion] = {
    "joy": Emotion.HAPPINESS,
    "amusement": Emotion.HAPPINESS,
    "excitement": Emotion.HAPPINESS,
    "gratitude": Emotion.HAPPINESS,
    "relief": Emotion.HAPPINESS,
    "pride": Emotion.HAPPINESS,
    "optimism": Emotion.HAPPINESS,
    "admiration": Emotion.HAPPINESS,
    "love": Emotion.LOVE,
    "caring": Emotion.LOVE,
    "sadness": Emotion.SADNESS,
    "grief": Emotion.SADNESS,
    "disappointment": Emotion.SADNESS,
    "anger": Emotion.ANGER,
    "annoyance": Emotion.ANGER,
    "fear": Emotion.FEAR,
    "nervousness": Emotion.FEAR,
    "confusion": Emotion.CONFUSION,
    "curiosity": Emotion.CONFUSION,
    "embarrassment": Emotion.SHAME,
    "remorse": Emotion.GUILT,
    "disgust": Emotion.DISGUST,
    "surprise": Emotion.SURPRISE,
    "desire": Emotion.DESIRE,
    "neutral": Emotion.NEUTRAL,
}
"""GoEmotions (27 emotions + neutral); approval, disapproval and realization have no counterpart."""

CURIOSITY_WEIGHT = 0.5
"""Weight of a GoEmotions row whose only ground for Confusion is *curiosity* (a question is not puzzlement)."""

EKMAN: dict[str, Emotion] = {
    "joy": Emotion.HAPPINESS,
    "anger": Emotion.ANGER,
    "disgust": Emotion.DISGUST,
    "fear": Emotion.FEAR,
    "sadness": Emotion.SADNESS,
    "surprise": Emotion.SURPRISE,
    "neutral": Emotion.NEUTRAL,
}
"""XED, BRIGHTER and other Ekman-like sets; trust and anticipation have no counterpart."""

DAIR_EMOTION: dict[str, Emotion] = {
    "sadness": Emotion.SADNESS,
    "joy": Emotion.HAPPINESS,
    "love": Emotion.LOVE,
    "anger": Emotion.ANGER,
    "fear": Emotion.FEAR,
    "surprise": Emotion.SURPRISE,
}
"""dair-ai/emotion (benchmark only)."""


def counterpart(foreign: str) -> str | None:
    """The one of the 13 that a label of a known foreign set means, by its name in any case; None where none does.

    >>> counterpart("joy"), counterpart("LOVE"), counterpart("billing")
    ('Happiness', 'Love', None)
    """
    name = foreign.strip().lower()
    own = {label.lower(): label for label in LABELS}
    found = {**EKMAN, **GOEMOTIONS}.get(name)
    return own.get(name) or (None if found is None else found.label)

"""Write the golden answers of a shipped model: ``python tests/make_golden.py [NAME]``.

The same texts are checked by ``test_golden.py``. Rewrite them only when the shipped model changes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bert_emotion import EmotionClassifier
from bert_emotion.labels import EXAMPLES

FOLDER = Path(__file__).with_name("golden")
TEXTS = (
    *(text for text, _ in EXAMPLES),
    "i love you",
    "😭😭😭",
    "😂😂",
    "❤️",
    "🤢🤮",
    "i miss u sm :(",
    "SO PROUD OF MY SON TODAY",
    "wtf is wrong with this app, third crash today",
    "great, another monday. can't wait.",
    "The train leaves at 9:40 from platform 3.",
    "I should have visited her before she died, and I never did.",
    "everyone laughed when my card got declined",
    "idk what u mean lol",
    "I could really go for a pizza right now",
    "there's mold in the coffee pot, i almost drank it",
    "my hands won't stop shaking before the results",
    "wait she's your SISTER??",
    "not bad, not great",
    "thank you, you have no idea how much that helped",
    "he ate my lunch again and lied about it",
    "Nothing feels worth getting up for these days.",
    "no worries, see you at five",
    "plz call me back asap im scared",
    "ok",
    "?!",
    "https://example.com/a?b=c",
    "",
    "你好，世界",
)


def golden_path(name: str) -> Path:
    """File of a model's golden answers."""
    return FOLDER / f"{name}.json"


if __name__ == "__main__":
    classifier = EmotionClassifier(sys.argv[1] if len(sys.argv) > 1 else None)
    answers = [
        {"text": text, "label": p.label, "score": round(p.score, 3), "reason": p.reason}
        for text, p in zip(TEXTS, classifier.predict(TEXTS), strict=True)
    ]
    FOLDER.mkdir(exist_ok=True)
    path = golden_path(classifier.config.name)
    path.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

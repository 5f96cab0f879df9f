"""The 13 example sentences of the project, run and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bert_emotion.classifier import EmotionClassifier, Prediction
from bert_emotion.labels import EXAMPLES


@dataclass(frozen=True)
class ExampleResult:
    """One example sentence and what the model made of it."""

    text: str
    expected: str
    prediction: Prediction

    @property
    def passed(self) -> bool:
        """Whether the model's best guess is the expected label."""
        return self.prediction.label == self.expected

    def asdict(self) -> dict[str, Any]:
        """Text, expected label, answered label and its score, as plain JSON types."""
        answer = self.prediction
        return {"text": self.text, "expected": self.expected, "label": answer.label, "score": answer.score}


def run_examples(classifier: EmotionClassifier) -> list[ExampleResult]:
    """Run the 13 sentences, in the order of ``labels.EXAMPLES``."""
    predictions = classifier.predict([text for text, _ in EXAMPLES])
    return [ExampleResult(text, label, p) for (text, label), p in zip(EXAMPLES, predictions, strict=True)]

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bert_emotion import EmotionClassifier
from bert_emotion.data.keys import normalise
from bert_emotion.labels import LABELS

# every code point there is, lone surrogates too
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def check(classifier: EmotionClassifier, texts: list[str]) -> None:
    predictions = classifier.predict(texts)
    assert len(predictions) == len(texts)
    for text, prediction in zip(texts, predictions, strict=True):
        assert tuple(prediction.scores) == LABELS
        assert all(math.isfinite(s) and 0 <= s <= 1 for s in prediction.scores.values())
        assert sum(prediction.scores.values()) == pytest.approx(1)
        assert prediction.score == prediction.scores[prediction.label] == max(prediction.scores.values())
        assert prediction == classifier.predict([text])[0]


@SETTINGS
@given(texts=st.lists(ANY_TEXT, max_size=4))
def test_any_text_gets_an_answer_in_its_place(fake: EmotionClassifier, texts: list[str]) -> None:
    check(fake, texts)


@settings(SETTINGS, max_examples=40)
@given(text=ANY_TEXT)
def test_any_text_gets_an_answer_of_the_shipped_model(shipped: EmotionClassifier, text: str) -> None:
    check(shipped, [text])


@SETTINGS
@given(text=ANY_TEXT)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)

from __future__ import annotations

from pathlib import Path

import pytest

from bert_emotion import EmotionClassifier

FAKE = Path(__file__).with_name("fake_model")


@pytest.fixture(scope="session")
def fake() -> EmotionClassifier:
    """The runtime on the kilobyte-sized model of ``make_fake_model.py``."""
    return EmotionClassifier(FAKE)


@pytest.fixture(scope="session")
def shipped() -> EmotionClassifier:
    """The default model."""
    return EmotionClassifier()

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


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT encoder folder of four narrow layers; needs the train extra."""
    from .toy import write_encoder

    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables like those of the data step, of texts that a toy can learn."""
    from .toy import write_tables

    folder = tmp_path_factory.mktemp("prepared")
    write_tables(folder)
    return folder

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bert_emotion import EmotionClassifier, ModelError, artifact
from bert_emotion.labels import LABELS, Emotion

from .conftest import FAKE


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FAKE, tmp_path / "model"))


def test_the_13_labels_and_their_order() -> None:
    assert LABELS == (
        "Sadness", "Anger", "Love", "Surprise", "Fear", "Happiness", "Neutral",
        "Disgust", "Shame", "Guilt", "Confusion", "Desire", "Sarcasm",
    )  # fmt: skip
    assert [e.emoji for e in Emotion] == [*list("😢😠"), "❤️", *list("😲😱😄😐🤢🙈😔😕🔥😏")]
    assert all(e.meaning for e in Emotion)


def test_unknown_model_is_named() -> None:
    with pytest.raises(ModelError, match="no model 'nope'"):
        EmotionClassifier("nope")


@pytest.mark.parametrize("name", artifact.RUNTIME_FILES)
def test_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        EmotionClassifier(copy)


@pytest.mark.parametrize("name", ["tokenizer.json", "onnx/model_quantized.onnx", "config.json"])
def test_altered_file_is_named(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(ModelError):
        EmotionClassifier(copy)


def test_shorter_file_is_named(copy: Path) -> None:
    path = copy / "onnx/model_quantized.onnx"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="bytes"):
        artifact.verify(copy, hashes=False)


def _edit_config(folder: Path, edit) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    edit(config)
    path.write_text(json.dumps(config), encoding="utf-8")


def test_labels_that_are_no_set_of_names_are_refused(copy: Path) -> None:
    _edit_config(copy, lambda c: c["id2label"].update({"0": "Anger"}))
    with pytest.raises(ModelError, match="different names"):
        artifact.load_config(copy)


def test_foreign_folder_is_refused_with_advice(copy: Path) -> None:
    _edit_config(copy, lambda c: c.pop("bert_emotion"))
    with pytest.raises(ModelError, match="export the model again"):
        artifact.load_config(copy)


def test_broken_json_is_named(copy: Path) -> None:
    (copy / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="not valid JSON"):
        artifact.load_config(copy)


@pytest.mark.parametrize("name", artifact.shipped_models())
def test_shipped_models_are_whole(name: str) -> None:
    checked = artifact.verify(artifact.SHIPPED / name)
    assert set(artifact.RUNTIME_FILES) - {"manifest.json"} <= set(checked)


def test_a_tier_name_finds_its_newest_version() -> None:
    tier = artifact.DEFAULT_MODEL.rpartition("-v")[0]
    assert artifact.find_model(tier).name.startswith(tier)

"""The frame of exports: what is refused, what is written, and the ONNX formats in their real runtime."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bert_emotion import EmotionClassifier, ExportError, InputError, ModelError

pytest.importorskip("torch")
pytest.importorskip("onnx")
from bert_emotion.export import deliver, to_onnx, to_onnx_int8
from bert_emotion.export.parity import compare, parity_texts
from bert_emotion.labels import LABELS

from .toy import TRAINING

pytestmark = TRAINING


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parity on 40 of the texts: the whole set is for real exports."""
    texts, labels = parity_texts()
    monkeypatch.setattr(deliver, "parity_texts", lambda: (texts[:40], labels[:40]))


def test_the_parity_texts_are_fifty_a_label() -> None:
    texts, labels = parity_texts()
    assert len(texts) == len(set(texts)) == 650
    assert {label: labels.count(label) for label in LABELS} == dict.fromkeys(LABELS, 50)


def test_float32_onnx_is_the_torch_model(tmp_path: Path) -> None:
    manifest = deliver.export("mini", "onnx", tmp_path / "out")
    assert manifest["parity"]["equal_labels"] == 1
    assert manifest["parity"]["max_probability_difference"] < 1e-4
    settings = json.loads((tmp_path / "out" / "settings.json").read_text(encoding="utf-8"))
    assert [entry["label"] for entry in settings["labels"]] == list(LABELS)
    assert {"onnx/model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json"} <= set(manifest["files"])
    usage = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    program = usage.partition("```python\n")[2].partition("```")[0]
    values: dict[str, Any] = {}
    code = program.replace('"tokenizer.json"', repr(str(tmp_path / "out" / "tokenizer.json")))
    exec(code.replace('"onnx/model.onnx"', repr(str(tmp_path / "out" / "onnx/model.onnx"))), values)
    assert LABELS[int(np.argmax(values["logits"]))] == "Love"


def test_int8_folder_is_a_model_folder(tmp_path: Path) -> None:
    deliver.export("mini", "onnx-int8", tmp_path / "out")
    classifier = EmotionClassifier(tmp_path / "out")
    texts = ["i love you", "leave me alone!", "😭😭"]
    np.testing.assert_allclose(
        classifier.predict_proba(texts), EmotionClassifier("mini").predict_proba(texts), atol=1e-6
    )


def test_quantising_anew_where_better_weights_are_there(tmp_path: Path) -> None:
    from bert_emotion.artifact import find_model
    from bert_emotion.training.encoder import load_classifier, save_classifier

    source = tmp_path / "mini-again"
    shutil.copytree(find_model("mini"), source)
    model, _ = load_classifier(source)
    save_classifier(model, (source / "tokenizer.json").read_text(encoding="utf-8"), source, 256)
    # as a trained folder has it: settings and manifest of the new files
    from bert_emotion.artifact import read_config_json
    from bert_emotion.export.package import write_settings

    kept = read_config_json(find_model("mini"))["bert_emotion"]
    write_settings(source, "again", 256, temperature=kept["temperature"], threshold=kept["threshold"])
    manifest = deliver.export(source, "onnx-int8", tmp_path / "out")
    assert manifest["parity"]["equal_labels"] >= 0.9


def test_other_labels_are_compared_with_the_answers_of_float32() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(size=(30, 3))
    found = compare(before, before, ["Love"] * 30, ("a", "b", "c"), 32)
    assert (found.equal_labels, found.macro_f1_loss) == (1, 0)
    after = before.copy()
    after[:6] = np.roll(before[:6], 1, axis=1)
    changed = compare(before, after, ["Love"] * 30, ("a", "b", "c"), 32)
    assert changed.equal_labels == pytest.approx(0.8)
    assert changed.macro_f1_loss > 0.1


def test_an_export_that_answers_differently_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_onnx, "run", lambda source, folder, texts: -source.logits(texts))
    with pytest.raises(ExportError, match=r"for 0\.0% of 40 texts"):
        deliver.export("mini", "onnx", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> dict[str, Any]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(to_onnx_int8, "write", full)
    with pytest.raises(ExportError, match="No space left on device; nothing was written"):
        deliver.export("mini", "onnx-int8", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_bad_requests(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="no format 'coreml'; there are onnx, onnx-int8, litert"):
        deliver.export("mini", "coreml", tmp_path / "out")
    with pytest.raises(InputError, match="--overwrite"):
        deliver.export("mini", "onnx", tmp_path / "full")
    with pytest.raises(ModelError, match="no model"):
        deliver.export("no-such-model", "onnx", tmp_path / "out")
    assert (tmp_path / "full" / "mine").exists()
    assert not (tmp_path / "out").exists()


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    from bert_emotion.artifact import find_model, read_config_json
    from bert_emotion.export.package import write_manifest

    folder = tmp_path / "roberta"
    shutil.copytree(find_model("mini"), folder)
    config = read_config_json(folder) | {"model_type": "roberta"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "manifest.json").unlink()
    write_manifest(folder, {"name": "roberta"})
    with pytest.raises(ExportError, match="is a 'roberta' model"):
        deliver.export(folder, "c", tmp_path / "out")


def test_device_figures_of_other_models_stay_on_the_same_machine(tmp_path: Path) -> None:
    from bert_emotion.evaluation.devices import joined

    def figures(model: str, ms: float, machine: str = "here") -> dict[str, Any]:
        row = {"model": model, "route": "c", "p50_ms": ms}
        return {"machine": machine, "versions": {"onnx": "1"}, "rows": [row], "estimates": [{"model": model}]}

    assert joined(figures("b", 1), tmp_path, ["a", "b"]) == figures("b", 1)
    (tmp_path / "devices.json").write_text(json.dumps(figures("a", 2)), encoding="utf-8")
    found = joined(figures("b", 1), tmp_path, ["a", "b"])
    assert [(row["model"], row["p50_ms"]) for row in found["rows"]] == [("a", 2), ("b", 1)]
    assert [row["model"] for row in found["estimates"]] == ["a", "b"]
    assert joined(figures("a", 3), tmp_path, ["a"])["rows"][0]["p50_ms"] == 3
    for other in (figures("b", 1, "elsewhere"), figures("b", 1)):
        assert joined(other, tmp_path, ["b"]) == other  # measured elsewhere; no longer shipped

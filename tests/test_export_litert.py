"""Exports for LiteRT and TensorFlow Lite Micro, each run in its real runtime, and the engine of the classifier."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bert_emotion import EmotionClassifier, ExportError, MissingExtraError, ModelError

pytest.importorskip("torch", reason="needs the export extra")
pytest.importorskip("ai_edge_litert", reason="needs the litert extra")
from ai_edge_litert import schema_py_generated as schema

from bert_emotion.artifact import load_config
from bert_emotion.export import deliver, litert_static, to_litert
from bert_emotion.export.litert_bert import int8_rows, weights_of
from bert_emotion.export.parity import parity_texts
from bert_emotion.export.source import Source, read_source
from bert_emotion.litert import LitertEngine

from .toy import TRAINING, write_encoder

pytestmark = TRAINING

TEXTS = parity_texts()[0][::20]
LONG = "The train was late again and nobody told us why. " * 40


def program_of(folder: Path, which: int) -> dict[str, Any]:
    """Run a Python block of an export's README inside its folder."""
    code = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[which + 1].partition("```")[0]
    for name in ("tokenizer.json", "model.tflite"):
        code = code.replace(f'"{name}"', repr(str(folder / name)))
    values: dict[str, Any] = {}
    exec(code.replace('"this/folder"', repr(str(folder))), values)
    return values


def few(monkeypatch: pytest.MonkeyPatch, *modules: Any) -> None:
    texts, labels = parity_texts()
    for module in modules:
        monkeypatch.setattr(module, "parity_texts", lambda: (texts[::20], labels[::20]))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("litert") / "mini"
    with pytest.MonkeyPatch.context() as monkeypatch:
        few(monkeypatch, deliver)
        manifest = deliver.export("mini", "litert", folder)
    assert manifest["parity"]["equal_labels"] > 0.95
    assert manifest["parity"]["max_probability_difference"] < 0.1
    assert {"model.tflite", "tokenizer.json", "config.json", "settings.json", "README.md"} == set(manifest["files"])
    return folder


@pytest.fixture(scope="module")
def engine(exported: Path) -> LitertEngine:
    return LitertEngine(exported / "model.tflite")


def ids_of(length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(5, 4000, (1, length))


def test_the_exported_folder_is_a_model_folder(exported: Path, tmp_path: Path) -> None:
    ours = EmotionClassifier(exported, runtime="litert")
    other = EmotionClassifier("mini")
    for text in [*TEXTS, LONG, "", "😭😭😭"]:
        a, b = ours.predict(text)[0], other.predict(text)[0]
        assert a.scores == pytest.approx(b.scores, abs=0.15), text
        assert (a.reason == "empty") == (b.reason == "empty")
    assert EmotionClassifier(exported).config.runtime == "litert"
    assert load_config(exported).max_length == other.config.max_length
    with pytest.raises(ExportError, match="is an export itself"):
        deliver.export(exported, "litert", tmp_path / "again")
    with pytest.raises(ModelError, match="--to litert"):
        EmotionClassifier("mini", runtime="litert")


def test_the_lines_of_the_readme_work(exported: Path) -> None:
    assert program_of(exported, 1)["logits"].argmax() == 2  # Love
    program_of(exported, 0)


def test_padding_and_neighbours_change_nothing(engine: LitertEngine) -> None:
    lengths = (5, 40, 5, 1, 256, 17)
    alone = [engine(ids_of(n), np.ones((1, n), np.int64))[0] for n in lengths]
    ids, mask = np.full((len(lengths), 300), 7), np.zeros((len(lengths), 300), np.int64)
    for i, n in enumerate(lengths):
        ids[i, :n], mask[i, :n] = ids_of(n)[0], 1
    np.testing.assert_array_equal(engine(ids, mask), np.stack(alone))
    np.testing.assert_array_equal(alone[0], alone[2])
    assert alone[0].dtype == np.float32


def test_threads_share_an_engine(exported: Path) -> None:
    engine = LitertEngine(exported / "model.tflite")
    rows = [ids_of(n % 40 + 3) for n in range(80)]
    expected = [engine(row, np.ones_like(row)) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: engine(row, np.ones_like(row)), rows))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        EmotionClassifier(exported, threads=3).predict_proba(TEXTS), EmotionClassifier(exported).predict_proba(TEXTS)
    )


def test_values_stand_inside_the_file_at_whole_words(exported: Path) -> None:
    content = (exported / "model.tflite").read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    filled = [model.Buffers(i) for i in range(model.BuffersLength()) if model.Buffers(i).DataLength()]
    assert len(filled) > 50
    for buffer in filled:
        assert buffer.Offset() == 0
        assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0
    words = len(int8_rows(weights_of(read_source("mini").model).words)[0].tobytes())
    assert len(content) < 1.6 * words


def test_what_cannot_be_loaded_is_refused(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="cannot be loaded"):
        LitertEngine(tmp_path / "broken.tflite")
    graph = to_litert.Bert(weights_of(read_source("mini").model), 8, free=False, int8=False, micro=True).graph
    graph.save(tmp_path / "micro.tflite", "for another runtime")
    with pytest.raises(ModelError, match=r"\['embeddings', 'mask'\], expected \['ids', 'positions'\]"):
        LitertEngine(tmp_path / "micro.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bert-emotion\[litert\]'"):
        LitertEngine(exported / "model.tflite")


def test_another_activation_is_refused() -> None:
    source = read_source("mini")
    source.model.config.hidden_act = "relu"
    with pytest.raises(ExportError, match="'relu'"):
        weights_of(source.model)


def test_calibration_texts_are_no_parity_texts() -> None:
    texts = litert_static.CALIBRATION.read_text(encoding="utf-8").splitlines()
    assert len(texts) == len(set(texts)) > 100
    assert not {text.lower() for text in texts} & {text.lower() for text in parity_texts()[0]}


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    pytest.importorskip("tflite_micro", reason="needs the litert-micro extra")
    from bert_emotion.export import to_litert_micro

    folder = tmp_path_factory.mktemp("micro") / "mini"
    with pytest.MonkeyPatch.context() as monkeypatch:
        few(monkeypatch, deliver, to_litert_micro)
        manifest = deliver.export("mini", "litert-micro", folder)
    assert manifest["parity"]["max_length"] == to_litert_micro.LENGTH
    return folder, manifest


def test_int16_answers_as_float32_and_int8_nearly(micro: tuple[Path, dict[str, Any]]) -> None:
    _, manifest = micro
    assert manifest["parity"]["equal_labels"] > 0.96
    assert manifest["parity"]["max_probability_difference"] < 0.1
    assert manifest["facts"]["int8"]["equal_labels"] >= 0.8


def test_the_arena_is_the_smallest_that_works(micro: tuple[Path, dict[str, Any]]) -> None:
    from bert_emotion.export import to_litert_micro

    folder, manifest = micro
    for kind in ("int16", "int8"):
        entry = manifest["facts"][kind]
        assert to_litert_micro._try(folder / entry["file"], entry["arena_bytes"]) == ""
        assert to_litert_micro._try(folder / entry["file"], entry["arena_bytes"] - 1024)
    assert manifest["facts"]["int8"]["arena_bytes"] < manifest["facts"]["int16"]["arena_bytes"]


def test_a_network_that_never_runs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tflite_micro", reason="needs the litert-micro extra")
    from bert_emotion.export import to_litert_micro

    (tmp_path / "x.tflite").write_bytes(b"no network")
    monkeypatch.setattr(to_litert_micro, "_LARGEST_ARENA", 100 << 10)
    with pytest.raises(ExportError, match="cannot run the network"):
        to_litert_micro.smallest_arena(tmp_path / "x.tflite")


def test_what_stands_in_padding_is_not_read(micro: tuple[Path, dict[str, Any]]) -> None:
    from bert_emotion.export import to_litert_micro

    folder, manifest = micro
    facts, source = manifest["facts"], read_source("mini")
    table = np.fromfile(folder / "embeddings.bin", dtype=np.int8).reshape(facts["vocabulary"], facts["hidden"])
    scales = np.fromfile(folder / "embedding_scales.bin", dtype="<f4")
    interpreter = sys.modules[to_litert_micro._RUNTIME].Interpreter.from_file(
        str(folder / "model.tflite"), arena_size=facts["int16"]["arena_bytes"]
    )
    ids = source.ids("i love you")
    embeddings, mask = to_litert_micro.device_inputs(ids, table, scales, facts["length"])
    answers = []
    for noise in (0.0, 0.1):
        embeddings[len(ids) :] = noise * np.random.default_rng(1).normal(size=embeddings[len(ids) :].shape)
        interpreter.set_input(embeddings, 0)
        interpreter.set_input(mask, 1)
        interpreter.invoke()
        answers.append(interpreter.get_output(0)[0].copy())
    np.testing.assert_allclose(answers[1], answers[0], atol=0.02)
    assert answers[0].argmax() == 2  # Love


def test_the_vocabulary_is_in_id_order(micro: tuple[Path, dict[str, Any]]) -> None:
    folder, manifest = micro
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert len(pieces) == manifest["facts"]["vocabulary"]
    tokenizer = read_source("mini").tokenizer
    assert all(tokenizer.token_to_id(piece) == i for i, piece in enumerate(pieces))
    usage = (folder / "README.md").read_text(encoding="utf-8")
    for name in ("AddBatchMatMul", "AddFullyConnected", "AddQuantize", "AddRsqrt"):
        assert f"resolver.{name}();" in usage
    assert json.loads((folder / "device.json").read_text(encoding="utf-8"))["mask_of_padding"] == -1000


def test_a_short_model_with_own_labels(tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro", reason="needs the litert-micro extra")
    from transformers import BertConfig, BertForSequenceClassification

    from bert_emotion.artifact import ModelConfig
    from bert_emotion.export import to_litert_micro

    write_encoder(tmp_path)
    shape = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config = BertConfig(**{**shape, "num_labels": 3, "initializer_range": 0.4, "max_position_embeddings": 12})
    model = BertForSequenceClassification(config).eval()
    settings = ModelConfig(tmp_path, "toy", ("a", "b", "c"), 12, 1.0, 0.5)
    source = Source(settings, model, (tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    texts = ["i am happy", "am", "the lonely table is gross and i am so sad about it"]
    expected = source.logits(texts)
    for form, loss in ((to_litert, 0.1), (to_litert_micro, 0.05)):
        folder = tmp_path / form.__name__
        folder.mkdir()
        facts = form.write(source, folder, lambda _: None)
        assert form.max_length(source) == 12
        found = form.run(source, folder, texts)
        assert found.shape == (3, 3)
        np.testing.assert_allclose(found, expected, atol=loss * np.abs(expected).max())
        assert "(1, 3)" in form.usage(source, facts) or "// 3" in form.usage(source, facts)

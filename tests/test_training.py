"""Training and export on a toy encoder: real steps, real files, seconds instead of minutes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("transformers", reason="needs the train extra")
pytest.importorskip("emoji", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the export extra")

from tokenizers import Tokenizer

from bert_emotion import EmotionClassifier, ExportError, TrainingError
from bert_emotion.export.package import package
from bert_emotion.labels import LABELS
from bert_emotion.training import encoder, finetune, vocabulary
from bert_emotion.training.loop import LoopConfig, Rows, batches_of, fit, hide

from .toy import TRAINING, WORDS, write_encoder

pytestmark = TRAINING


def config_for(toy: Path, epochs: float = 12) -> finetune.FinetuneConfig:
    loop = LoopConfig(epochs=epochs, learning_rate=3e-3, batch=16, dev_every=1)
    return finetune.FinetuneConfig(
        encoder=str(toy),
        vocabulary_size=100_000,
        vocabulary_sources=("authored",),
        public_sources=("goemotions",),
        max_length=32,
        authored_only=loop,
        with_public=loop,
    )


@pytest.fixture(scope="module")
def trained(toy: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    told: list[str] = []
    record = finetune.finetune(prepared, run, run / "model", config_for(toy), lambda stage, *_: told.append(stage))
    assert set(told) == {"authored-only", "with-public"}
    assert record["dev_macro_f1"] > 0.8
    assert record["public"]["goemotions"]["kept"] > 3
    return run / "model"


def test_the_record_says_how_the_model_came_about(trained: Path) -> None:
    record = json.loads((trained / "training.json").read_text(encoding="utf-8"))
    assert record["config"]["authored_only"]["epochs"] == 12
    assert record["sources"] == ["authored", "goemotions"]
    assert len(record["data_manifest_sha256"]) == 64
    assert record["commit"]
    assert record["versions"]["torch"]


@pytest.mark.parametrize(("kind", "lower"), [("bert", False), ("distilbert", True)])
def test_any_other_encoder_trains_by_the_same_command_and_keeps_its_vocabulary(
    prepared: Path, tmp_path: Path, kind: str, lower: bool
) -> None:
    from transformers import pipeline

    (tmp_path / "encoder").mkdir()
    write_encoder(tmp_path / "encoder", kind=kind, lower=lower)
    assert not encoder.can_trim(str(tmp_path / "encoder"))
    config = config_for(tmp_path / "encoder", epochs=1)
    finetune.finetune(prepared, tmp_path / "run", tmp_path / "model", config)
    classify = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    assert classify("i am happy")[0]["label"] in LABELS
    _, tokenizer = encoder.load_classifier(tmp_path / "model")
    assert tokenizer.get_vocab() == Tokenizer.from_file(str(tmp_path / "encoder/tokenizer.json")).get_vocab()


def test_packaged_model_agrees_with_the_pipeline_on_the_same_folder(
    trained: Path, prepared: Path, tmp_path: Path
) -> None:
    from transformers import pipeline

    manifest = package(trained, prepared, tmp_path / "toy-v1", name="toy-v1")
    assert manifest["parity"]["fp32_max_difference"] < 1e-4
    assert {"model.safetensors", "tokenizer.json", "onnx/model_quantized.onnx"} <= set(manifest["files"])
    card = (tmp_path / "toy-v1/README.md").read_text(encoding="utf-8")
    assert "toy-v1" in card
    assert "😏 Sarcasm" in card
    ours = EmotionClassifier(tmp_path / "toy-v1")
    theirs = pipeline("text-classification", model=str(tmp_path / "toy-v1"), device="cpu")
    texts = ["i am happy", "I AM SCARED", "i am the the guilty 😭"]

    def shape(answer):
        if isinstance(answer, list):
            return [shape(item) for item in answer]
        return sorted(answer)

    assert [a["label"] for a in ours(texts)] == [a["label"] for a in theirs(texts)]
    for arguments in ({}, {"top_k": None}, {"top_k": 1}, {"top_k": 3}):
        assert shape(ours(texts, **arguments)) == shape(theirs(texts, **arguments))
        assert shape(ours(texts[0], **arguments)) == shape(theirs(texts[0], **arguments))
    stream = theirs(t for t in texts)
    assert [a["label"] for a in stream] == [a["label"] for a in ours(t for t in texts)]


def test_an_int8_model_alone_can_be_trained_on(trained: Path, prepared: Path, tmp_path: Path) -> None:
    package(trained, prepared, tmp_path / "toy-v1", name="toy-v1", weights=False)
    assert not (tmp_path / "toy-v1/model.safetensors").exists()
    back, tokenizer = encoder.load_classifier(tmp_path / "toy-v1")
    original, _ = encoder.load_classifier(trained)
    ids = encoder.token_ids(tokenizer, ["i am a b happy", "i am scared", "i am c sad"])
    after, before = (encoder.logits_of(m, ids, bf16=False) for m in (back, original))
    assert np.abs(after - before).max() < 0.3
    assert (after.argmax(1) == before.argmax(1)).all()
    other = encoder.new_classifier(str(tmp_path / "toy-v1"), None, None, seed=3, labels=("yes", "no"))  # a benchmark
    assert encoder.logits_of(other, ids, bf16=False).shape == (3, 2)
    assert other.config.id2label == {0: "yes", 1: "no"}


def test_outlier_channels_stay_in_float32(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bert_emotion.export import int8
    from bert_emotion.export.package import export_int8

    model, tokenizer = encoder.load_classifier(trained)
    ids = encoder.token_ids(tokenizer, [f"i am {letter} {word}" for letter in "abcdef" for word in WORDS])
    with torch.no_grad():
        layer = model.bert.encoder.layer[1]
        layer.attention.output.LayerNorm.weight[3] *= 400
        layer.intermediate.dense.bias[7] += 600
        model.bert.embeddings.word_embeddings.weight[2, 5] += 5  # [CLS]

    def error(folder: Path) -> float:
        expected, found, _ = export_int8(model, ids, folder)
        return float(np.sqrt(np.mean((found - expected) ** 2)))

    split = error(tmp_path / "split")
    monkeypatch.setattr(int8, "TIMES_MEDIAN", np.inf)
    assert split < 0.6 * error(tmp_path / "whole")

    for folder in ("split", "whole"):
        for file in ("config.json", "tokenizer.json"):
            shutil.copyfile(trained / file, tmp_path / folder / file)
        back, _ = encoder.load_classifier(tmp_path / folder)
        for name, weight in back.named_parameters():
            np.testing.assert_allclose(weight.detach(), model.get_parameter(name).detach(), atol=0.05, err_msg=name)


def test_the_report_is_written_with_its_plots(trained: Path, prepared: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    from bert_emotion.evaluation.report import write_report

    package(trained, prepared, tmp_path / "toy-v1", name="toy-v1")
    figures = write_report(tmp_path / "toy-v1", prepared, tmp_path / "report")
    written = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert written["held_out"]["authored test"]["macro_f1"] == figures["held_out"]["authored test"]["macro_f1"]
    assert set(written["held_out"]["authored test"]["per_label_f1"]) == set(LABELS)
    parts = {f"{name} ({part})" for name in ("authored test", "unseen test") for part in ("sentences", "long texts")}
    assert parts | {"unseen test (plain messages)"} <= set(written["held_out"])
    assert "Robustness" in (tmp_path / "report/README.md").read_text(encoding="utf-8")
    for plot in ("confusion.png", "reliability.png"):
        assert (tmp_path / "report" / plot).read_bytes().startswith(b"\x89PNG")


def test_sincere_comments_called_sarcasm_are_counted_by_people_s_one_label(monkeypatch: pytest.MonkeyPatch) -> None:
    from bert_emotion.evaluation import testsets

    table = {
        "text": ["ty", "hm", "ty so much", "ily", "ty and ily", "ew"],
        "foreign": ["gratitude", "approval", "gratitude", "love", "gratitude,love", "disgust"],
        "label": [5, -1, 5, 2, -1, 7],
    }
    pa = pytest.importorskip("pyarrow", reason="needs the train extra")
    monkeypatch.setattr(testsets, "read_table", lambda *_: pa.table(table))
    sarcasm, love = np.eye(13)[LABELS.index("Sarcasm")], np.eye(13)[LABELS.index("Love")]
    texts = table["text"]
    rows = [i for i, label in enumerate(table["label"]) if label >= 0]
    answers = np.array([sarcasm if len(texts[i]) > 5 else love for i in rows])
    found = testsets.sincere_as_sarcasm(answers, Path("unused"))
    assert found == {
        "gratitude": {"texts": 2, "called_sarcasm": 0.5},
        "love": {"texts": 1, "called_sarcasm": 0.0},
    }


def test_a_lossy_export_is_refused_and_leaves_nothing(
    trained: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bert_emotion.export.package.INT8_MAX_LOSS", -1.0)
    with pytest.raises(ExportError, match="int8 loses"):
        package(trained, prepared, tmp_path / "toy-v1", name="toy-v1")
    assert not list(tmp_path.iterdir())


def _rows() -> Rows:
    rng = np.random.default_rng(0)
    ids = [[2, *rng.integers(5, 18, rng.integers(1, 9)).tolist(), 3] for _ in range(90)]
    targets = np.eye(13, dtype=np.float32)[[row[1] - 5 for row in ids]]
    return Rows(ids, targets, np.ones(len(ids), dtype=np.float32))


def _fit(toy: Path, run: Path, stop_at: int | None = None):
    class StoppedError(Exception):
        pass

    def progress(step: int, *_: object) -> None:
        if step == stop_at:
            raise StoppedError

    model = encoder.new_classifier(str(toy), None, 32, seed=1)
    loop = LoopConfig(epochs=4, batch=8, learning_rate=1e-3, checkpoint_seconds=0, dev_every=100, masked=0.2)
    try:
        fit(model, _rows(), loop, run, lambda m: 0.5, mask_id=4, progress=progress)
    except StoppedError:
        return None
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_an_interrupted_run_ends_where_an_unbroken_one_does(toy: Path, tmp_path: Path) -> None:
    unbroken = _fit(toy, tmp_path / "a")
    assert _fit(toy, tmp_path / "b", stop_at=20) is None
    resumed = _fit(toy, tmp_path / "b")
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


def test_a_checkpoint_of_another_run_is_refused(toy: Path, tmp_path: Path) -> None:
    _fit(toy, tmp_path, stop_at=5)
    model = encoder.new_classifier(str(toy), None, 32, seed=1)
    with pytest.raises(TrainingError, match="other settings or rows"):
        fit(model, _rows(), LoopConfig(epochs=9), tmp_path, lambda m: 0.0)


def test_pieces_are_hidden_but_not_the_first_and_last() -> None:
    ids, mask = encoder.pad([[2, *range(10, 60), 3], [2, 11, 12, 3]])
    torch.manual_seed(1)
    hidden = hide(ids, mask, 0.3, 4)
    assert (hidden[:, 0] == 2).all()
    assert (int(hidden[0, 51]), int(hidden[1, 3])) == (3, 3)
    assert (hidden[1, 4:] == 0).all()
    assert 8 <= int((hidden[0] == 4).sum()) <= 24
    assert ((hidden == ids) | (hidden == 4)).all()


def test_masking_without_a_mask_piece_is_refused(toy: Path, tmp_path: Path) -> None:
    model = encoder.new_classifier(str(toy), None, None, seed=1)
    with pytest.raises(TrainingError, match="no \\[MASK\\]"):
        fit(model, _rows(), LoopConfig(masked=0.1), tmp_path, lambda m: 0.0)


def test_batches_hold_every_row_once_and_lengths_together() -> None:
    lengths = [i % 37 for i in range(1000)]
    batches = batches_of(lengths, 16, seed=1, epoch=0)
    assert sorted(i for b in batches for i in b) == list(range(1000))
    assert batches == batches_of(lengths, 16, seed=1, epoch=0)
    assert batches != batches_of(lengths, 16, seed=1, epoch=1)
    assert max(max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches) < 8


def test_trimmed_vocabulary_reads_emoji_emoticons_and_chat(toy: Path) -> None:
    built = vocabulary.trim((toy / "tokenizer.json").read_text(encoding="utf-8"), ["i am lonely, sure"] * 3, 10_000, 16)
    tokenizer = Tokenizer.from_str(built.tokenizer_json)

    def tokens(text: str) -> list[str]:
        return tokenizer.encode(text, add_special_tokens=False).tokens

    assert tokens("😭😭 i") == ["😭", "😭", "i"]
    assert tokens("😭😭😭😭") == ["😭", "😭"]
    assert tokens("👍🏽") == ["👍"]
    assert tokens("❤️") == tokens("<3") == ["❤"]
    assert tokens("ngl :(") == ["ngl", "🙁"]
    assert tokens("sure /s") == ["sure", vocabulary.SARCASM_TAG]
    assert tokens("SOOOOO") == tokens("soo")
    assert tokens("ｌｏｎｅｌｙ") == ["lonely"]
    assert len(tokenizer.encode("i " * 50).ids) == 16
    table = np.arange(200, dtype=np.float32).reshape(-1, 2)
    assert built.embed(table).shape == (len(built.start), 2)
    assert sum(c in json.loads(built.tokenizer_json)["model"]["vocab"] for c in vocabulary.all_emoji()) > 300


def test_soft_targets_share_a_near_label() -> None:
    table = {"text": ["a", "b"], "label": [2, 3], "second": ["near", "agree"], "second_label": [5, -1]}
    targets = finetune.soft_targets(table, 0.75)
    assert targets[0, [2, 5]].tolist() == [0.75, 0.25]
    assert targets.sum(1).tolist() == [1, 1]
    assert targets.shape == (2, len(LABELS))

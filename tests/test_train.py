"""``bert-emotion train``: somebody's own table becomes a model folder, and bad tables a clear message."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from bert_emotion import EmotionClassifier, InputError, ModelError, TrainingError
from bert_emotion.cli import main
from bert_emotion.data.labelled import Labelled, read_labelled

pytest.importorskip("torch")
pytest.importorskip("accelerate")
from bert_emotion.training.own_data import KEPT, PRESETS, TrainConfig, epochs_for, prepare, split, train

from .toy import TRAINING

pytestmark = TRAINING
TOPICS = {"billing": ["invoice", "refund", "price"], "bug": ["crash", "error", "broken"], "praise": ["great", "love"]}


def rows(count: int) -> list[tuple[str, str]]:
    """Rows that anything can learn."""
    rng = random.Random(13)
    out = []
    for i in range(count):
        label = list(TOPICS)[i % len(TOPICS)]
        out.append((f"{rng.choice(TOPICS[label])} {rng.choice('abcdefgh')} number {i}", label))
    return out


def write_csv(path: Path, table: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *table])
    return path


def run(*arguments: object, code: int = 0) -> str:
    """stderr and stdout of the command, run in this process."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == code, out.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model folder of three own labels, and what the command said."""
    folder = tmp_path_factory.mktemp("own")
    table = write_csv(folder / "tickets.csv", rows(90))
    said = run("train", table, "-o", folder / "tickets", "--base", "mini", "--epochs", 5, "--lr", 1e-3)
    return folder / "tickets", said


def test_one_folder_that_everything_takes(trained: tuple[Path, str]) -> None:
    folder, said = trained
    assert "epoch  step  train loss  validation loss  accuracy  F1 (macro)  F1 (weighted)" in said
    assert not folder.with_name("tickets.run").exists()
    classifier = EmotionClassifier(folder)
    assert classifier.labels == ("billing", "bug", "praise")
    assert [p.label for p in classifier.predict(["refund c number 5", "error b number 8", "great a number 2"])] == list(
        TOPICS
    )
    assert classifier.predict("")[0].reason == "empty"
    assert "billing" in run("info", "--model", folder)
    assert "bug" in run("predict", "--model", folder, "another crash")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| praise | " in card
    assert "these very rows" in card


def test_transformers_reads_the_folder_alike(trained: tuple[Path, str]) -> None:
    from transformers import pipeline

    folder, _ = trained
    texts = ["refund c number 5", "error b number 8", "great a number 2"]
    theirs = pipeline("text-classification", model=str(folder), device="cpu")(texts)
    assert [answer["label"] for answer in theirs] == [p.label for p in EmotionClassifier(folder).predict(texts)]


def test_a_trained_folder_is_a_base_again(trained: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = trained
    table = write_csv(tmp_path / "more.csv", rows(60))
    run("train", table, "-o", tmp_path / "again", "--base", folder, "--epochs", 1)
    figures = json.loads((tmp_path / "again" / "manifest.json").read_text(encoding="utf-8"))["metrics"]["dev"]
    assert figures["accuracy"] > 0.9, "it knew these labels already"


def test_several_labels_a_text(tmp_path: Path) -> None:
    rng = random.Random(1)
    lines = []
    for i in range(80):
        labels = [label for label in TOPICS if rng.random() < 0.5]
        words = [rng.choice(TOPICS[label]) for label in labels]
        lines.append(json.dumps({"text": " ".join([*words, f"number {i}"]), "labels": labels}))
    (tmp_path / "several.jsonl").write_text("\n".join(lines), encoding="utf-8")
    run("train", tmp_path / "several.jsonl", "-o", tmp_path / "m", "--base", "mini", "--epochs", 15, "--lr", 2e-3)
    classifier = EmotionClassifier(tmp_path / "m")
    [both] = classifier.predict(["refund crash number 7"])
    assert set(both.labels or ()) >= {"bug", "billing"}
    assert classifier.predict([""])[0].labels == ()
    assert json.loads(json.dumps(both.asdict()))["labels"] == list(both.labels or ())


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_any_encoder_is_a_base(tmp_path: Path, kind: str) -> None:
    from .toy import write_encoder

    encoder = tmp_path / "encoder"
    encoder.mkdir()
    write_encoder(encoder, kind=kind)
    table = write_csv(tmp_path / "t.csv", rows(40))
    run("train", table, "-o", tmp_path / "m", "--base", encoder, "--epochs", 1)
    assert EmotionClassifier(tmp_path / "m").labels == tuple(TOPICS)


def emotions(count: int) -> Labelled:
    texts = [f"{word} {i}" for i in range(count) for word in ("yuck", "hooray")]
    return Labelled(texts, [("Disgust",), ("Happiness",)] * count, ("Happiness", "Disgust"), False)


def test_emotions_are_kept_on_request() -> None:
    config = TrainConfig(keep_emotions=True)
    kept = prepare(emotions(20), None, "mini", config)
    assert len(kept.train.names) == 13
    assert len(kept.train) > len(KEPT.read_text(encoding="utf-8").splitlines()) - 40
    assert kept.train.names == tuple(kept.model.config.id2label.values())
    with pytest.raises(InputError, match="--keep-emotions"):
        prepare(Labelled(["a", "b"] * 9, [("x",), ("y",)] * 9, ("x", "y"), False), None, "mini", config)


def test_known_labels_go_on_from_what_they_were() -> None:
    before = prepare(emotions(20), None, "mini", TrainConfig(keep_emotions=True)).model.classifier.weight
    own = Labelled(["a", "b"] * 9, [("joy",), ("zeal",)] * 9, ("joy", "zeal"), False)
    after = prepare(own, None, "mini", TrainConfig()).model.classifier.weight
    assert (after[0] == before[5]).all(), "joy is Happiness by another name"


def test_rows_with_a_known_kept_text_are_not_doubled() -> None:
    text = json.loads(KEPT.read_text(encoding="utf-8").splitlines()[0])["text"]
    data = emotions(20)
    data.texts[0] = text
    kept = prepare(data, None, "mini", TrainConfig(keep_emotions=True))
    assert (kept.train.texts + kept.dev.texts).count(text) == 1


def test_split_is_stratified_and_seeded() -> None:
    data = read_like([("a", 50), ("b", 10), ("c", 1)])
    train_rows, dev = split(data, 0.2, 7)
    assert {label: sum(g == (label,) for g in dev.labels) for label in "abc"} == {"a": 10, "b": 2, "c": 0}
    assert split(data, 0.2, 7)[1].texts == dev.texts != split(data, 0.2, 8)[1].texts
    assert not set(train_rows.texts) & set(dev.texts)


def read_like(counts: list[tuple[str, int]]) -> Labelled:
    texts = [f"{label} {i}" for label, count in counts for i in range(count)]
    labels = [(label,) for label, count in counts for _ in range(count)]
    return Labelled(texts, labels, tuple(label for label, _ in counts), False)


def test_presets_are_what_their_names_say() -> None:
    article = PRESETS["multilingual-article"]
    assert (article.learning_rate, article.batch_size, article.seed, article.epochs) == (2e-5, 64, 42, 2)
    assert (article.warmup, article.weight_decay) == (0, 0)
    card = PRESETS["card"]
    assert (card.epochs, card.batch_size, card.learning_rate, card.max_length) == (5, 2, 3e-5, 64)
    assert (epochs_for(10_000, 16), epochs_for(300, 16), epochs_for(50, 16)) == (5, 8, 10)


class Stop:
    """Presses Ctrl-C at a step."""

    def __new__(cls, at: int) -> Any:
        from transformers import TrainerCallback

        class Callback(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.global_step == at:
                    os.kill(os.getpid(), signal.SIGINT)

        return Callback()


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    data = read_like([("a", 40), ("b", 40)])
    config = TrainConfig(epochs=2, batch_size=8, seed=3)
    whole = train(prepare(data, None, "mini", config), config, tmp_path / "whole")
    first = train(prepare(data, None, "mini", config), config, tmp_path / "cut", callbacks=[Stop(11)])
    assert first["interrupted"]
    assert first["steps"] < whole["steps"]
    rest = train(prepare(data, None, "mini", config), config, tmp_path / "cut", resume=True)
    assert not rest["interrupted"]
    assert rest["steps"] == whole["steps"]
    assert rest["epochs"][-1]["validation_loss"] == pytest.approx(whole["epochs"][-1]["validation_loss"], abs=0.02)
    other = TrainConfig(epochs=3, batch_size=8, seed=3)
    changed = prepare(data, None, "mini", other)
    with pytest.raises(TrainingError, match="other data or settings"):
        train(changed, other, tmp_path / "cut", resume=True)


def test_frozen_layers_stay_and_rare_labels_weigh_more() -> None:
    from bert_emotion.training.own_data import _class_weights, targets

    model = prepare(emotions(20), None, "mini", TrainConfig(freeze=2)).model
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert not any("embeddings" in n or ".layer.0." in n or ".layer.1." in n for n in learns)
    assert any(".layer.2." in name for name in learns)
    weights = _class_weights(targets(read_like([("a", 30), ("b", 10)])), 2)
    assert weights.tolist() == pytest.approx([2 / 3, 2.0])


@pytest.mark.parametrize(
    ("table", "arguments", "code", "part"),
    [
        ([("a", "x"), ("b", "x")] * 5, [], 2, "one class only"),
        (rows(6), ["--text-column", "body"], 2, "no column 'body'"),
        (rows(6), ["--label-names", "billing,bug"], 2, "has the label 'praise'"),
        ([("", "x"), (" ", "y")], [], 2, "no usable row (2 without text)"),
        (rows(12), ["--preset", "fast"], 2, "no preset 'fast'"),
        (rows(12), ["--base", "no/such/model"], 3, "neither a model here"),
        (rows(12), ["--base", "mini", "--freeze", "9"], 2, "the model has 4 layers"),
        (rows(12), ["--base", "mini", "--argument", "epochs"], 2, "is not NAME=VALUE"),
        (rows(12), ["--base", "mini", "--argument", "no_such=1"], 2, "no 'no_such'"),
        (rows(12), ["--resume"], 5, "no interrupted run"),
    ],
)
def test_bad_tables_and_options(
    tmp_path: Path, table: list[tuple[str, str]], arguments: list[str], code: int, part: str
) -> None:
    said = run("train", write_csv(tmp_path / "t.csv", table), "-o", tmp_path / "m", *arguments, code=code)
    assert part in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not (tmp_path / "m").exists()


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", rows(12))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("x", encoding="utf-8")
    assert "--overwrite" in run("train", table, "-o", tmp_path / "m", code=2)
    assert (tmp_path / "m" / "mine.txt").exists()
    (tmp_path / "n.run").mkdir()
    assert "--resume" in run("train", table, "-o", tmp_path / "n", code=2)


def test_a_full_disk_is_told_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    config = TrainConfig()
    prepared = prepare(emotions(20), None, "mini", config)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type(usage)(usage.total, usage.used, 1_000_000))
    with pytest.raises(TrainingError, match="1 MB free"):
        train(prepared, config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_base_and_dev_that_repeats_training(tmp_path: Path) -> None:
    data = read_like([("a", 6), ("b", 6)])
    with pytest.raises(InputError, match="stands in the training rows"):
        prepare(data, data, "mini", TrainConfig())
    with pytest.raises(InputError, match="no training row has"):
        prepare(data, read_like([("c", 3)]), "mini", TrainConfig())
    with pytest.raises(ModelError, match="neither a model here"):
        prepare(data, None, str(tmp_path), TrainConfig())


def test_reader_and_trainer_agree_on_messy_rows(tmp_path: Path) -> None:
    path = tmp_path / "messy.csv"
    table = [*rows(12), ("", "bug"), ("fine", "nan"), ("crash", "bug"), ("CRASH!", "billing"), ("x" * 200_000, "bug")]
    write_csv(path, table)
    content = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + content.replace(b"number 3", b"caf\xe9 3"))
    data = read_labelled(path)
    assert len(data) == 13
    told = " ".join(data.notes)
    for part in ("1 without text", "1 without label", "2 with a text that carries different labels", "200000", "UTF-8"):
        assert part in told

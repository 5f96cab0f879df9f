"""``bert-emotion compare``: contenders of every kind, each in its own process."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from bert_emotion import InputError, MissingExtraError, ModelError, cli
from bert_emotion.data.labelled import Labelled
from bert_emotion.evaluation import compare as module
from bert_emotion.evaluation.compare import compare, write_comparison
from bert_emotion.evaluation.compare_render import comparison_document
from bert_emotion.evaluation.contenders import facts_json, facts_of, kind_of, labels_at_rest, open_contender
from bert_emotion.evaluation.document import to_markdown
from bert_emotion.evaluation.judge import judge

from .conftest import FAKE
from .test_judge import ROWS, labelled, write_csv
from .toy import TRAINING

DATA = labelled(ROWS)
# what the fake model's words stand for, in other texts than those of DATA
TRAIN = labelled([(f"{text} {i}", label) for i in range(3) for text, label in ROWS])


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.fixture(scope="module")
def figures() -> dict:
    """Ours, the same network as a bare ONNX folder, a trained baseline, and one that does not exist."""
    return compare([str(FAKE), f"onnx:{FAKE}", "tfidf", "nope", "lexicon:text2emotion"], DATA, train=TRAIN)


def test_models_are_scored_measured_and_sorted(figures: dict) -> None:
    rows = {row["name"]: row for row in figures["rows"]}
    assert set(rows) == {"fake-v1", "fake_model", "TF-IDF + logistic regression"}
    assert rows["fake-v1"]["full"]["accuracy"] == rows["fake_model"]["full"]["accuracy"] == 7 / 8
    scored = [row["full"]["macro_f1"] for row in figures["rows"]]
    assert scored == sorted(scored, reverse=True)
    for row in figures["rows"]:
        assert row["size_mb"] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["texts_per_s"] > 0
        assert row["peak_mib"] > 10
    assert rows["TF-IDF + logistic regression"]["parameters"] > 0
    json.dumps(figures)


def test_what_cannot_be_loaded_is_a_row_with_the_reason(figures: dict) -> None:
    reasons = {one["model"]: one["reason"] for one in figures["failed"]}
    assert "no model 'nope'" in reasons["nope"]
    assert "does not work offline" in reasons["lexicon:text2emotion"]


def test_the_first_two_are_tested_against_each_other(figures: dict) -> None:
    found = figures["significance"]
    assert {found["first"], found["second"]} <= {row["name"] for row in figures["rows"]}
    assert 0 <= found["mcnemar"]["p"] <= 1
    assert "These texts do not show" in to_markdown(comparison_document(figures))


def test_report_folder(figures: dict, tmp_path: Path) -> None:
    write_comparison(figures, tmp_path / "out")
    names = {"README.md", "report.json", "report.html", "accuracy-size.png", "accuracy-latency.png"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    readme = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "**" in readme
    assert "![Accuracy against size](accuracy-size.png)" in readme
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == figures
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "<b>" in page


def test_texts_of_the_data_are_not_learnt_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept: list[list[str]] = []
    monkeypatch.setattr(module, "save_tfidf", lambda texts, labels, **_: kept.append(texts))
    learnt = module.understand(labelled([*ROWS[:3], ("new love", "Love"), ("new sad", "Sadness")]), [DATA.names])
    assert module._train_tfidf(learnt, DATA, tmp_path / "x") == (2, 3)
    assert kept == [["new love", "new sad"]]
    with pytest.raises(InputError, match="fewer than two labels"):
        module._train_tfidf(module.understand(labelled([("a", "Love"), ROWS[0]]), [DATA.names]), DATA, tmp_path / "x")


def test_tfidf_of_several_labels(tmp_path: Path) -> None:
    from bert_emotion.evaluation.contenders import save_tfidf

    texts = ["red", "blue", "red blue", "green", "red red", "blue blue"]
    labels = [("r",), ("b",), ("r", "b"), (), ("r",), ("b",)]
    save_tfidf(texts, labels, multi_label=True, path=tmp_path / "t")
    contender = open_contender("tfidf", tfidf=tmp_path / "t")
    assert contender.facts.labels == ("b", "r")
    assert (contender.scores(["red blue"]) > 0.5).all()
    assert facts_of(facts_json(contender.facts)) == contender.facts


def test_nothing_works_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"no model could be compared\. nope: no model 'nope'"):
        compare(["nope"], DATA)


def test_a_process_that_dies_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false") or "false")
    with pytest.raises(ModelError, match="its process ended with code 1"):
        compare([str(FAKE)], DATA)


def test_bad_data_is_told_before_a_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_measured", lambda *_: pytest.fail("a model ran"))
    with pytest.raises(InputError, match=r"'weird'.*--shared-only"):
        compare([str(FAKE)], labelled([*ROWS, ("x", "weird")]))
    with pytest.raises(InputError, match="--train"):
        compare([str(FAKE), "tfidf"], DATA)
    with pytest.raises(InputError, match="cannot sort by 'x'"):
        compare([str(FAKE)], DATA, sort="x")


def test_foreign_data_are_mapped_where_a_model_needs_it() -> None:
    rows = [("sad", "sadness"), ("happy", "joy"), ("love", "love"), ("angry", "anger")]
    found = compare([str(FAKE)], labelled(rows))
    assert found["data"]["map"]["joy"] == "Happiness"
    assert found["rows"][0]["full"]["accuracy"] == 1
    assert "significance" not in found


def test_kinds_of_contenders(tmp_path: Path) -> None:
    assert kind_of(str(FAKE)) == ("ours", str(FAKE))
    assert kind_of("small-v7") == ("ours", "small-v7")
    assert kind_of("owner/name") == ("transformers", "owner/name")
    assert kind_of(f"onnx:{FAKE}") == ("onnx", str(FAKE))
    with pytest.raises(ModelError, match="holds no model"):
        kind_of(str(tmp_path))
    with pytest.raises(ModelError, match="no model"):
        kind_of("./not/here")
    assert labels_at_rest(str(FAKE)) == open_contender(str(FAKE)).facts.labels
    assert labels_at_rest("owner/name") is None


def test_an_onnx_folder_needs_its_three_files(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(FAKE, folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"lacks tokenizer\.json"):
        open_contender(f"onnx:{folder}")
    (folder / "onnx" / "model_quantized.onnx").write_bytes(b"broken")
    (folder / "tokenizer.json").write_bytes((FAKE / "tokenizer.json").read_bytes())
    with pytest.raises(ModelError, match="cannot be loaded as a onnx model"):
        open_contender(f"onnx:{folder}")
    assert open_contender(str(FAKE / "onnx" / "model_quantized.onnx")).scores(["love"]).argmax() == 2


def test_vader(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vaderSentiment")
    contender = open_contender("lexicon:vader")
    assert contender.scores(["I love this!", "I hate this.", "The table."]).argmax(axis=1).tolist() == [0, 1, 2]
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(MissingExtraError, match=r"bert-emotion\[lexicon\]"):
        open_contender("lexicon:vader")


def test_nrclex() -> None:
    pytest.importorskip("nrclex")
    contender = open_contender("lexicon:nrclex")
    scores = contender.scores(["lonely grief sorrow", "qwerty", ""])
    assert contender.facts.labels[scores[0].argmax()] == "sadness"
    assert contender.facts.labels[scores[1].argmax()] == "neutral"
    assert scores.sum(axis=1) == pytest.approx(np.ones(3))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, train, out = write_csv(tmp_path / "a.csv", ROWS), write_csv(tmp_path / "b.csv", []), tmp_path / "out"
    code, shown, err = run(capsys, "compare", FAKE, "nope", "--data", data, "--out", out, "--sort", "size")
    assert code == 0
    for part in ("fake-v1", "Not compared", "no model 'nope'", "peak RSS"):
        assert part in shown
    assert "[2/2] nope" in err
    assert (out / "report.html").exists()
    code, shown, err = run(capsys, "compare", FAKE, "--data", data, "--out", out)
    assert (code, shown, err.count("\n")) == (2, "", 1)
    assert "--overwrite" in err
    code, shown, err = run(capsys, "compare", FAKE, "tfidf", "--data", data, "--train", train)
    assert (code, shown, err.count("\n")) == (2, "", 1)
    code, shown, err = run(capsys, "compare", "nope", "--data", data, "--out", tmp_path / "none", "--json")
    assert (code, shown) == (3, "")
    assert not (tmp_path / "none").exists()


class TestTransformers:
    """Toy classifiers of transformers."""

    pytestmark = TRAINING

    @pytest.fixture(scope="class")
    def classifier(self, toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A BERT with the six labels of dair-ai/emotion that always answers joy."""
        torch = pytest.importorskip("torch")
        transformers = pytest.importorskip("transformers")
        folder = tmp_path_factory.mktemp("classifier")
        names = ("sadness", "joy", "love", "anger", "fear", "surprise")
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            toy, num_labels=6, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)}
        )
        with torch.no_grad():
            model.classifier.weight.zero_()
            model.classifier.bias.copy_(torch.tensor([0.0, 3, 0, 0, 0, 0]))
        model.save_pretrained(folder)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(toy / file, folder)
        return folder

    def test_scores_and_facts(self, classifier: Path) -> None:
        contender = open_contender(str(classifier))
        scores = contender.scores(["i am happy", "x" * 500, "", "\ud800"])
        assert scores.shape == (4, 6)
        assert scores.argmax(axis=1).tolist() == [1] * 4
        assert contender.facts.parameters > 1000
        assert contender.facts.size_mb > 0.01

    def test_its_labels_are_mapped_and_shown(self, classifier: Path) -> None:
        rows = [("happy", "Happiness"), ("sad", "Sadness"), ("guilty", "Guilt")]
        found = compare([str(classifier)], labelled(rows))
        [row] = found["rows"]
        assert row["full"]["accuracy"] == pytest.approx(1 / 3)
        assert row["shared"]["accuracy"] == pytest.approx(1 / 2)
        assert row["labels"]["cannot_give"] == {"Guilt": 1}
        report = to_markdown(comparison_document(found))
        assert "| joy | Happiness |" in report
        assert "Guilt (1)" in report

    def test_its_own_names_are_not_mapped(self, classifier: Path) -> None:
        data = Labelled(["happy", "sad"], [("joy",), ("sadness",)], ("joy", "sadness"), False)
        found = judge(open_contender(str(classifier)), data)
        assert found["data"]["map"] == found["labels"]["map"] == {}
        assert found["full"]["accuracy"] == 1 / 2

    def test_an_encoder_without_a_head_is_refused(self, toy: Path) -> None:
        with pytest.raises(ModelError, match="no trained classifier"):
            open_contender(str(toy))

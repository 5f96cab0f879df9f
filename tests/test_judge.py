"""``bert-emotion evaluate MODEL DATA``: figures by hand, labels of others, reports, bad input."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from sklearn import metrics as theirs

from bert_emotion import InputError, cli
from bert_emotion.data.labelled import Labelled, read_labelled
from bert_emotion.evaluation import label_space, metrics, plots, scores
from bert_emotion.evaluation.contenders import VADER_TABLE, Contender, Facts, open_contender
from bert_emotion.evaluation.document import Document, Paragraph, Table, to_html, to_markdown, to_terminal, write_files
from bert_emotion.evaluation.judge import judge
from bert_emotion.evaluation.judge_render import judge_document, judge_pictures
from bert_emotion.labels import LABELS

from .conftest import FAKE

# the fake model answers the label whose word stands in the text; "okay" is Neutral
ROWS = [
    ("so sad", "Sadness"),
    ("sad and sad", "Sadness"),
    ("angry sad sad", "Anger"),
    ("angry me", "Anger"),
    ("i love it", "Love"),
    ("love love angry", "Love"),
    ("okay", "Neutral"),
    ("scared of the long long dark", "Fear"),
]


def labelled(rows: list[tuple[str, str]], names: tuple[str, ...] = ()) -> Labelled:
    every = names or tuple(dict.fromkeys(label for _, label in rows))
    return Labelled([text for text, _ in rows], [(label,) for _, label in rows], every, False)


def says(labels: tuple[str, ...], answers: list[int], kind: str = "test", **facts: Any) -> Contender:
    """A contender that gives these answers, by their place in the data, each with 0.9."""

    def answer(texts: list[str]) -> np.ndarray:
        out = np.full((len(texts), len(labels)), 0.1 / max(1, len(labels) - 1))
        out[np.arange(len(texts)), [answers[int(text)] for text in texts]] = 0.9
        return out

    return Contender(Facts("says", kind, labels, **facts), answer)


def write_csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = ['"' + text.replace('"', '""') + f'","{label}"' for text, label in rows]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    names = LABELS[:5]
    truth = rng.integers(0, 5, 400).tolist()
    answers = [t if rng.random() < 0.7 else int(rng.integers(0, 5)) for t in truth]
    figures = judge(says(names, answers), labelled([(str(i), names[t]) for i, t in enumerate(truth)], names))
    full = figures["full"]
    assert full["accuracy"] == pytest.approx(theirs.accuracy_score(truth, answers))
    assert full["balanced_accuracy"] == pytest.approx(theirs.balanced_accuracy_score(truth, answers))
    for kind in ("macro", "weighted"):
        assert full[f"{kind}_f1"] == pytest.approx(theirs.f1_score(truth, answers, average=kind))
        assert full[f"{kind}_precision"] == pytest.approx(theirs.precision_score(truth, answers, average=kind))
    assert figures["confusion"]["counts"] == theirs.confusion_matrix(truth, answers).tolist()
    assert [row["texts"] for row in figures["per_label"]] == np.bincount(truth).tolist()
    assert figures["log_loss"] == pytest.approx(
        theirs.log_loss(truth, [[0.9 if i == a else 0.025 for i in range(5)] for a in answers])
    )
    assert figures["ece"] == pytest.approx(abs(0.9 - full["accuracy"]))
    assert figures["shared"] is None
    assert sum(row["texts"] for row in figures["length"]) == 400


def test_a_model_of_ours_on_a_file(tmp_path: Path) -> None:
    data = read_labelled(write_csv(tmp_path / "a.csv", ROWS), clean=False)
    figures = judge(open_contender(str(FAKE)), data)
    assert figures["full"]["accuracy"] == 7 / 8
    assert figures["top_k"] == {"2": 1.0, "3": 1.0}
    assert figures["confidence"]["threshold"] == 0.5
    assert figures["errors"] == [
        {
            "text": "angry sad sad",
            "true": ["Anger"],
            "answered": ["Sadness"],
            "confidence": pytest.approx(figures["errors"][0]["confidence"]),
        }
    ]
    assert figures["latency"]["latency_texts"] == 8
    assert "only 8 texts: intervals of so few are not to be relied on" in figures["data"]["notes"]
    json.dumps(figures)


@pytest.mark.parametrize("labels", [("Sadness", "Anger"), ("sadness", "ANGER"), ("0", "1")])
def test_names_without_case_and_ids(labels: tuple[str, str]) -> None:
    rows = [("sad", labels[0]), ("angry", labels[1]), ("angry", labels[0])]
    figures = judge(open_contender(str(FAKE)), labelled(rows))
    assert figures["data"]["labels"] == {"Sadness": 2, "Anger": 1}
    assert figures["full"]["accuracy"] == pytest.approx(2 / 3)


def test_ids_beyond_the_model_are_refused() -> None:
    with pytest.raises(InputError, match="13 is none of the model's 0 to 12"):
        judge(open_contender(str(FAKE)), labelled([("sad", "0"), ("sad", "13")]))


def test_unknown_labels_are_named_with_the_way_out() -> None:
    fake = open_contender(str(FAKE))
    rows = [("sad", "sadness"), ("happy", "joy"), ("love", "love"), ("hm", "approval")]
    with pytest.raises(InputError, match=r"'approval', 'joy'.*--map goemotions.*--shared-only"):
        judge(fake, labelled(rows))
    left = judge(fake, labelled(rows), shared_only=True)
    assert left["data"]["rows"] == 2
    assert any("'joy'" in note and "2 row(s)" in note for note in left["data"]["notes"])
    mapped = judge(fake, labelled(rows), map_to="goemotions")
    assert mapped["data"]["labels"] == {"Sadness": 1, "Love": 1, "Happiness": 1}
    assert mapped["data"]["map"] == {"sadness": "Sadness", "joy": "Happiness", "love": "Love", "approval": None}
    assert mapped["full"]["accuracy"] == 1
    with pytest.raises(InputError, match="'approval' is no label of dair-ai"):
        judge(fake, labelled(rows), map_to="dair")
    with pytest.raises(InputError, match="no row is left"):
        judge(fake, labelled(rows[1:2]), shared_only=True)


def test_labels_that_a_model_cannot_give() -> None:
    truth = ["Sadness", "Sadness", "Happiness", "Guilt", "Guilt"]
    contender = says(("sadness", "joy"), [0, 0, 0, 0, 1])
    figures = judge(contender, labelled([(str(i), label) for i, label in enumerate(truth)]))
    assert figures["labels"]["cannot_give"] == {"Guilt": 2}
    assert figures["labels"]["map"] == {"sadness": "Sadness", "joy": "Happiness"}
    assert figures["full"]["accuracy"] == 2 / 5
    assert figures["shared"]["accuracy"] == pytest.approx(2 / 3)
    assert figures["shared"]["rows"] == 3
    assert figures["log_loss"] is not None
    document = judge_document(figures)
    assert "cannot give: Guilt (2 texts)" in to_markdown(document)
    assert "3 texts it has the label of" in to_markdown(document)


def test_a_lexicon_brings_its_own_table() -> None:
    contender = says(tuple(VADER_TABLE), [0, 1, 2], "lexicon", probabilistic=False, table=VADER_TABLE)
    figures = judge(contender, labelled([("0", "Happiness"), ("1", "Sadness"), ("2", "Anger")]))
    assert figures["labels"]["map"] == VADER_TABLE
    assert figures["labels"]["answered_beside_the_data"] == {"Neutral": 1}
    assert figures["full"]["accuracy"] == pytest.approx(2 / 3)
    assert "ece" not in figures
    same_names = judge(contender, labelled([("0", "positive"), ("1", "negative"), ("2", "neutral")]))
    assert same_names["labels"]["map"] == {}
    assert same_names["full"]["accuracy"] == 1


def test_labels_without_counterpart_fall_away_and_the_rest_sums_to_one() -> None:
    labels = (*label_space.TABLES["goemotions"], "approval")
    found = label_space.fit(labels, LABELS)
    raw = np.full((1, len(labels)), 0.5 / (len(labels) - 1))
    raw[0, -1] = 0.5
    mapped = found.scores(raw, multi_label=False)
    assert mapped.sum() == pytest.approx(1)
    assert found.names[mapped.argmax()] == "Happiness"  # eight of the 28 fall together there
    assert found.cannot_give(LABELS) == ["Sarcasm"]
    assert found.table["approval"] is None


def test_foreign_sets_are_known_by_their_names() -> None:
    assert label_space.recognise(["joy", "sadness"]) == "dair"
    assert label_space.recognise(["joy", "disgust", "neutral"]) == "ekman"
    assert label_space.recognise(["joy", "remorse", "realization"]) == "goemotions"
    assert label_space.recognise(["Sadness", "love"]) is None
    assert label_space.recognise(["a", "b"]) is None


def multi_label_model(folder: Path) -> Path:
    """The fake model as one that answers every label by itself."""
    shutil.copytree(FAKE, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["problem_type"] = "multi_label_classification"
    config["bert_emotion"]["label_thresholds"] = [0.9] * 13
    content = json.dumps(config).encode()
    (folder / "config.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["config.json"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_several_labels_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = multi_label_model(tmp_path / "model")
    rows = [("sad angry", "sadness,anger"), ("love", "Love"), ("sad", "Sadness,Love")]
    path = write_csv(tmp_path / "a.csv", rows)
    data = read_labelled(path, multi_label=True, clean=False)
    figures = judge(open_contender(str(model)), data)
    assert figures["full"]["accuracy"] == pytest.approx(2 / 3)
    assert figures["full"]["micro_f1"] == pytest.approx(2 * 4 / (4 + 5))
    assert {row["label"]: row["f1"] for row in figures["per_label"]}["Love"] == pytest.approx(2 / 3)
    assert "confusion" not in figures
    assert figures["errors"][0]["answered"] == ["Sadness"]
    page = tmp_path / "a.html"
    code, out, _ = run(capsys, "evaluate", model, path, "--multi-label", "--html", page)
    assert code == 0
    assert "subset accuracy" in out
    assert "subset accuracy" in page.read_text(encoding="utf-8")
    one = judge(open_contender(str(FAKE)), data)  # a model of one label a text
    assert one["full"]["accuracy"] == pytest.approx(1 / 3)


def test_resampling_agrees_with_single_rows() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 600)
    guess = np.where(rng.random(600) < 0.7, truth, (truth + 1) % 4)
    hot = np.eye(4, dtype=bool)
    drawn = scores.resampled(hot[truth], [(hot[guess], truth == guess)], np.arange(4), 2000)[0]
    slow = metrics.bootstrap_interval(truth, guess, 4, rounds=2000)
    for key in ("accuracy", "macro_f1"):
        assert np.percentile(drawn[key], [2.5, 97.5]) == pytest.approx(slow[key], abs=0.01)


def test_a_rare_label_that_is_not_drawn_costs_nothing() -> None:
    hot = np.eye(5, dtype=bool)
    drawn = scores.resampled(hot, [(hot, np.ones(5, dtype=bool))], np.arange(5))[0]
    assert (drawn["macro_f1"] == 1).all()


def test_mcnemar_by_hand() -> None:
    first, second = np.array([1] * 9 + [0] * 1 + [1] * 5, bool), np.array([0] * 9 + [1] * 1 + [1] * 5, bool)
    few = scores.mcnemar(first, second)
    assert (few["only_first_right"], few["only_second_right"], few["kind"]) == (9, 1, "exact")
    assert few["p"] == pytest.approx(2 * (1 + 10) / 2**10)
    many = scores.mcnemar(np.repeat(first[:10], 10), np.repeat(second[:10], 10))
    assert many["p"] == pytest.approx(1.5e-14, rel=0.5)  # (|90-10|-1)^2/100 = 62.41 with one degree of freedom
    assert scores.mcnemar(first, first)["p"] == 1


def test_paired_bootstrap_sees_what_is_better_and_what_is_alike() -> None:
    names = LABELS[:2]
    truth = [i % 2 for i in range(200)]
    found = label_space.understand(labelled([(str(i), names[t]) for i, t in enumerate(truth)]), [names])

    def answers(flipped: int) -> scores.Answers:
        said = [1 - t if i < flipped else t for i, t in enumerate(truth)]
        contender = says(names, said)
        return scores.read_answers(contender.scores(found.texts), contender.facts, found)

    better = scores.paired_bootstrap(found, answers(10), answers(80))
    assert better["p"] < 0.01
    assert better["difference_95"][0] < better["difference"] == pytest.approx(0.35, abs=0.01)
    assert scores.paired_bootstrap(found, answers(10), answers(10))["p"] == 1


# --- reports ------------------------------------------------------------------------------------------------------

NASTY = '<script>alert("x")</script> | **$\\alpha$** & `id="y"` --> \x1b[31m \ud800 你好 😱 angry'


def test_reports_escape_what_the_data_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("<b>&$x$", "ok|ay")
    data = labelled([("0", names[0]), ("1", names[1])])
    figures = judge(says(names, [1, 1]), data)
    figures["errors"][0]["text"] = NASTY
    document = judge_document(figures)
    page = to_html(document, judge_pictures(figures))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>&$" not in page
    assert page.count("<svg") == 4
    # nothing is loaded from anywhere: the namespaces of SVG are names, not addresses
    assert not re.search(r"""(?:src|href)=["']?(?:https?:|//)|@import|url\(['"]?http""", page)
    markdown = to_markdown(document)
    assert "<script" not in markdown
    row = next(line for line in markdown.splitlines() if "alert" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "\x1b" not in markdown
    write_files({tmp_path / "a.md": markdown, tmp_path / "a.html": page})
    to_terminal(document)
    assert "\x1b" not in capsys.readouterr().out


def test_svg_follows_the_page_and_keeps_its_ids_apart() -> None:
    drawn = plots.label_bars(
        [{"label": "你好 $a$ <i>", "texts": 3, "precision": 0.5, "recall": 1.0, "f1": 2 / 3, "can_give": False}], "t"
    )
    svg = plots.to_svg(drawn, "first")
    assert "currentColor" in svg
    assert plots.PAGE_INK not in svg
    assert "<i>" not in svg
    assert not re.search(r'\bid="(?!first-)', svg)
    assert svg == plots.to_svg(drawn, "first")
    assert plots.to_png(drawn).startswith(b"\x89PNG")


def test_a_wide_table_is_cut_between_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(["model", *(f"column {i} of many" for i in range(20))], [["m", *("0.123" for _ in range(20))]])
    to_terminal(Document("t", "test", [Paragraph("p"), table]))
    out = capsys.readouterr().out
    assert all(f"column {i} of many" in out for i in range(20))
    assert out.count("model") == 3
    assert max(map(len, out.splitlines())) <= 200


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    blocked = tmp_path / "folder"
    blocked.mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write"):
        write_files({tmp_path / "a.md": "a", tmp_path / "file" / "b.md": "b"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    write_files({tmp_path / "new" / "a.md": "a", tmp_path / "b.png": b"b"})
    assert (tmp_path / "new" / "a.md").read_text(encoding="utf-8") == "a"


def test_command_writes_every_form_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv(tmp_path / "a.csv", ROWS)
    markdown, page = tmp_path / "a.md", tmp_path / "a.html"
    files = ("--markdown", markdown, "--html", page)
    code, out, err = run(capsys, "evaluate", FAKE, path, "--json", *files)
    assert (code, err) == (0, "")
    assert json.loads(out)["full"]["accuracy"] == 7 / 8
    assert "0.875" in markdown.read_text(encoding="utf-8")
    assert "<svg" in page.read_text(encoding="utf-8")
    markdown.write_text("mine", encoding="utf-8")
    code, out, err = run(capsys, "evaluate", FAKE, path, *files)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--overwrite" in err
    assert markdown.read_text(encoding="utf-8") == "mine"
    assert run(capsys, "evaluate", "-m", FAKE, path, *files, "--overwrite")[0] == 0
    assert markdown.read_text(encoding="utf-8") != "mine"


def test_command_shows_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "evaluate", FAKE, write_csv(tmp_path / "a.csv", ROWS))
    assert code == 0
    for part in ("accuracy", "0.875", "macro F1", "Surest mistakes", "angry sad sad", "calibration", "Sadness"):
        assert part in out


def test_examples_take_a_model_as_argument(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "evaluate", FAKE, "--examples", "--json")
    assert code == 0
    assert json.loads(out)["model"] == "fake-v1"


@pytest.mark.parametrize(
    ("name", "content", "options", "part"),
    [
        ("a.csv", "a,b\n1,x\n", [], "not clear which column"),
        ("a.csv", "text,label\nlove,Love\n", ["--label-column", "nope"], "no column 'nope'"),
        ("a.csv", "text,label\n,Love\nlove,\n", [], "no usable row"),
        ("a.csv", "text,label\nlove,weird\n", [], "'weird'"),
        ("a.csv", "text,label\nlove,99\n", [], "99 is none of"),
        ("a.csv", "", [], "is empty"),
        ("a.csv", "text,label\nlove,Love\n", ["--map", "nope"], "--map"),
        ("a.csv", "text,label\nlove,Love\n", ["--examples"], "either"),
        ("a.docx", "x", [], "no data file"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, options: list[str], part: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    page = tmp_path / "out.html"
    code, out, err = run(capsys, "evaluate", FAKE, tmp_path / name, "--html", page, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert part in err
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["evaluate"], 2, "nothing to evaluate"),
        (["evaluate", str(FAKE)], 2, "nothing to evaluate"),
        (["evaluate", str(FAKE), "nope.csv"], 2, "nope.csv does not exist"),
        (["evaluate", str(FAKE), "--examples", "-m", "small-v7"], 2, "named twice"),
        (["evaluate", str(FAKE), "--examples", "--html", "x.html"], 2, "--html"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, part: str) -> None:
    found, out, err = run(capsys, *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert part in err


def test_an_unknown_model_is_told_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "evaluate", "nope", write_csv(tmp_path / "a.csv", ROWS))
    assert code == 3
    assert "no model 'nope'" in err

"""The command as it is installed: real processes, real pipes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bert_emotion.cli.write import bar

from .conftest import FAKE

COMMAND = str(Path(sys.executable).with_name("bert-emotion"))


def run(*arguments: str | Path, stdin: str | bytes = b"", env: dict[str, str] | None = None) -> tuple[int, str, str]:
    sent = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([COMMAND, *map(str, arguments)], input=sent, capture_output=True, env=env, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def fake(*arguments: str | Path, **more) -> tuple[int, str, str]:
    return run("predict", "--model", FAKE, *arguments, **more)


def test_texts_as_arguments_give_tsv_in_a_pipe() -> None:
    code, out, err = run("i love you", "so sad", "--model", FAKE)
    assert (code, err) == (0, "")
    assert out.splitlines() == ["Love\t❤️\t0.8198\t\ti love you", "Sadness\t😢\t0.8198\t\tso sad"]


def test_a_pipe_is_read_line_by_line() -> None:
    code, out, _ = fake(stdin="love\n\nsad\r\n")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == ["Love", "Neutral", "Sadness"]
    assert out.splitlines()[1].split("\t")[3] == "empty"


def test_the_bare_command_reads_the_pipe() -> None:
    assert run("--model", FAKE, stdin="love\n")[1].startswith("Love\t")


def test_a_text_like_a_command_or_an_option_can_be_given() -> None:
    assert fake("info")[1].endswith("info\n")
    assert fake("--", "--love--")[1].startswith("Love")


def test_json_lines() -> None:
    code, out, _ = fake("--json", "--top-k", "2", "--all-scores", "love\nlove", "sad")
    items = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert items[0]["text"] == "love\nlove"
    assert next(t["label"] for t in items[0]["top"]) == "Love"
    assert len(items[1]["scores"]) == 13
    assert items[1]["raw_label"] == "Sadness"


def test_csv_out() -> None:
    _, out, _ = fake("--csv", "--all-scores", 'love, "really"', "sad")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert rows[0]["text"] == 'love, "really"'
    assert rows[1]["label"] == "Sadness"
    assert float(rows[0]["Love"]) == pytest.approx(0.8198)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,comment\n1,"i love, you"\n2,"sad\nand sad"\n3\n'),
        ("a.tsv", "id\tcomment\n1\ti love, you\n2\tsad and sad\n3\t\n"),
        ("a.jsonl", '{"comment": "i love, you"}\n{"comment": "sad and sad"}\n\n{"comment": null}\n'),
    ],
)
def test_columns_of_tables(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text("\ufeff" + content if name == "a.csv" else content, encoding="utf-8")
    code, out, err = fake("--file", path, "--column", "comment")
    assert (code, err) == (0, "")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["Love", "Sadness", "Neutral"]


def test_a_table_in_a_pipe() -> None:
    _, out, _ = fake("--file", "-", "--input-format", "csv", "-c", "t", stdin="t,u\nlove,1\n")
    assert out.startswith("Love")


def test_a_file_name_given_as_text_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "love.txt"
    path.write_text("sad\n", encoding="utf-8")
    code, out, err = fake(path)
    assert code == 0
    assert out.endswith("love.txt\n")
    assert f"--file {path}" in err


def test_missing_column_names_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,comment\n1,x\n", encoding="utf-8")
    code, out, err = fake("-f", path)
    assert (code, out) == (2, "")
    assert err == f"bert-emotion: error: {path} has no column 'text'; found 'id', 'comment'. Name one with --column.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["--model", "nope", "x"], 3, "no model 'nope'"),
        (["--file", "nope.txt"], 2, "cannot read nope.txt"),
        (["--json", "--csv", "x"], 2, "exclude each other"),
        (["x", "--file", "y"], 2, "not both"),
        (["--top-k", "14", "x"], 2, "--top-k"),
        (["--wrong", "x"], 2, "--wrong"),
        (["-c", "text"], 2, "--input-format"),
    ],
)
def test_errors_are_one_line_with_a_code(arguments: list[str], code: int, part: str) -> None:
    found, out, err = run("predict", *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert err.startswith("bert-emotion: error: ")
    assert part in err


def test_bad_json_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "love"}\n{oops\n', encoding="utf-8")
    code, out, err = fake("-f", path)
    assert code == 2
    assert out.startswith("Love")
    assert f"{path}:2 is not JSON" in err


def test_bytes_that_are_not_utf8_are_read_and_told() -> None:
    code, out, err = fake(stdin=b"love \xff\nsad\n")
    assert code == 0
    assert out.splitlines()[0].endswith("love \ufffd")
    assert "1 text(s) held bytes that are not UTF-8" in err


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_utf8_in_any_locale(locale: str) -> None:
    env = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PATH": "/usr/bin:/bin"}
    code, out, _ = fake("i want 🔥 love", stdin="", env=env)
    assert code == 0
    assert out.startswith("Desire\t🔥")
    assert out.endswith("i want 🔥 love\n")


def test_the_reader_may_leave() -> None:
    script = f"yes love | {COMMAND} predict --model {FAKE} | head -n 3; echo ${{PIPESTATUS[1]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[3] == "141"
    assert done.stderr == ""


def test_verify_names_what_was_checked(tmp_path: Path) -> None:
    code, out, _ = run("verify", "--model", FAKE)
    assert code == 0
    assert "ok  onnx/model_quantized.onnx" in out


def test_info_shows_the_shipped_model() -> None:
    code, out, _ = run("info")
    assert code == 0
    for part in ("model", "MB", "Sarcasm", "CC-BY-4.0", "macro f1", "threshold"):
        assert part in out
    assert json.loads(run("info", "--json")[1])["licence"] == "Apache-2.0"


def test_examples_are_judged_one_by_one() -> None:
    code, out, _ = run("evaluate", "--examples")
    assert code == 0
    lines = out.splitlines()
    assert sum("✅ PASS" in line or "❌ FAIL" in line for line in lines) == 13
    assert lines[-1].startswith(f"{sum('✅' in line for line in lines)} of 13 right")


def test_help_and_version_of_every_command() -> None:
    assert run("--version")[1].startswith("bert-emotion ")
    for command in (
        "predict",
        "train",
        "evaluate",
        "compare",
        "export",
        "demo",
        "info",
        "verify",
        "report",
        "bench",
        "data",
        "model",
    ):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert "Usage" in out


def test_bar_grows_by_eighths() -> None:
    assert bar(1.0) == "█" * 10
    assert bar(0.0) == " " * 10
    assert bar(0.5) == "█" * 5 + " " * 5
    assert bar(0.0625).strip() == "▋"


def test_missing_extra_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from bert_emotion import MissingExtraError
    from bert_emotion.errors import require

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bert-emotion\[train\]'"):
        require("torch", "train")

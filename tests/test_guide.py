"""The fine-tuning guide works as it is written."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from bert_emotion.cli import main

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")

from .toy import TRAINING

pytestmark = TRAINING
ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")


def test_every_command_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the files of the guide, shortened: some rows of each label
    (tmp_path / "examples").mkdir()
    for name, rows in (("support.csv", 40), ("support_test.csv", 20)):
        lines = (ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()
        (tmp_path / "examples" / name).write_text("\n".join(lines[: rows + 1]) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^\$ bert-emotion (.+)$", GUIDE, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as ended:
            main(shlex.split(command))
        assert ended.value.code in (0, None), f"{command}: {said.getvalue()}"
    [program] = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(program, "guide", "exec"), {})
    assert said.getvalue().strip() in ("calm", "annoyed", "furious", "grateful")
    assert (tmp_path / "models" / "support.html").stat().st_size > 10_000


def test_the_example_rows_are_whole() -> None:
    from bert_emotion.data.labelled import read_labelled

    train, test = (read_labelled(ROOT / "examples" / name, clean=False) for name in ("support.csv", "support_test.csv"))
    assert (len(train), len(test)) == (200, 60)
    assert train.names == test.names == ("annoyed", "calm", "furious", "grateful")
    assert not set(train.texts) & set(test.texts)

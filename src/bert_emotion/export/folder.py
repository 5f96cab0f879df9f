"""Folders that appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bert_emotion.errors import BertEmotionError


@contextmanager
def whole_folder(out: Path, error: type[BertEmotionError]) -> Iterator[Path]:
    """An empty folder of the name of `out` to fill; at the end of the block it takes the place of `out`.

    Args:
        out: the folder to write; one of that name is replaced, but only then.
        error: what a full disk or a forbidden place is raised as.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
            folder = Path(scratch) / out.name
            folder.mkdir()
            yield folder
            if out.exists():
                out.rename(Path(scratch) / "replaced")
            folder.rename(out)
    except OSError as problem:
        raise error(f"cannot write {out}: {problem.strerror or problem}; nothing was written.") from problem

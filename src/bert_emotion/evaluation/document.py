"""A report as blocks, written three ways: Markdown, one self-contained HTML page, a terminal.

Texts of the data are somebody's input: each writer escapes them for its own medium.
"""

from __future__ import annotations

import html
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bert_emotion.errors import InputError


@dataclass(frozen=True)
class Heading:
    """A heading inside the report."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Attributes:
        head: column titles.
        rows: cells.
        words: columns that hold words; the others hold numbers and stand on the right.
        bold: (row, column) of the cells to stress.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset({0})
    bold: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Plot:
    """A place for a plot; a writer that has no picture of that name leaves it out."""

    name: str
    alt: str


Block = Heading | Paragraph | Table | Plot


@dataclass(frozen=True)
class Document:
    """A report: title and blocks, and the command that writes it."""

    title: str
    written_by: str
    blocks: list[Block] = field(default_factory=list)


# --- Markdown -----------------------------------------------------------------------------------------------------

_MARKS = re.compile(r"([\\`*_\[\]|#~$])")


def _md(text: str) -> str:
    return _MARKS.sub(r"\\\1", html.escape(" ".join(_shown(text).split()), quote=False))


def to_markdown(document: Document, pictures: Mapping[str, str] | None = None) -> str:
    """The report as Markdown.

    Args:
        document: the report.
        pictures: name of a plot to its path relative to the file.
    """
    parts = [f"<!-- written by `{document.written_by}` -->\n# {_md(document.title)}"]
    for block in document.blocks:
        if isinstance(block, Heading):
            parts.append(f"## {_md(block.text)}")
        elif isinstance(block, Paragraph):
            parts.append(_md(block.text))
        elif isinstance(block, Table):
            marks = ["---" if i in block.words else "--:" for i in range(len(block.head))]
            lines = ["| " + " | ".join(map(_md, block.head)) + " |", "|" + "|".join(marks) + "|"]
            for r, row in enumerate(block.rows):
                cells = [f"**{_md(cell)}**" if (r, c) in block.bold else _md(cell) for c, cell in enumerate(row)]
                lines.append("| " + " | ".join(cells) + " |")
            parts.append("\n".join(lines))
        elif pictures and block.name in pictures:
            parts.append(f"![{_md(block.alt)}]({pictures[block.name]})")
    return "\n\n".join(parts) + "\n"


# --- HTML ---------------------------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --page: #fff; --row: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9198a1; --line: #30363d; --page: #0d1117; --row: #151b23; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p { color: var(--soft); max-width: 46rem; overflow-wrap: anywhere; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; } tbody tr:hover { background: var(--row); }
.word { text-align: left; white-space: normal; overflow-wrap: break-word; max-width: 34rem; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; color: var(--ink); }
footer { margin-top: 3rem; font-size: .8rem; color: var(--soft); }
"""
# nothing on the page may run or load anything, whatever stands in the data
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def to_html(document: Document, pictures: Mapping[str, str] | None = None) -> str:
    """The report as one HTML page that loads nothing; light or dark as the reader's system is.

    Args:
        document: the report.
        pictures: name of a plot to its SVG.
    """
    e = html.escape
    body = [f"<h1>{e(document.title)}</h1>"]
    for block in document.blocks:
        if isinstance(block, Heading):
            body.append(f"<h2>{e(block.text)}</h2>")
        elif isinstance(block, Paragraph):
            body.append(f"<p>{e(block.text)}</p>")
        elif isinstance(block, Table):
            kind = [' class="word"' if i in block.words else "" for i in range(len(block.head))]
            head = "".join(f"<th{k}>{e(cell)}</th>" for k, cell in zip(kind, block.head, strict=True))
            rows = []
            for r, row in enumerate(block.rows):
                shown = [f"<b>{e(cell)}</b>" if (r, c) in block.bold else e(cell) for c, cell in enumerate(row)]
                rows.append("".join(f"<td{k}>{cell}</td>" for k, cell in zip(kind, shown, strict=True)))
            lines = "\n".join(f"<tr>{row}</tr>" for row in rows)
            body.append(
                f'<div class="table"><table><thead><tr>{head}</tr></thead>\n<tbody>{lines}</tbody></table></div>'
            )
        elif pictures and block.name in pictures:
            body.append(f'<figure role="img" aria-label="{e(block.alt)}">{pictures[block.name]}</figure>')
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{e(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n<footer>Written by {e(document.written_by)}.</footer>\n</body>\n</html>\n"
    )


# --- terminal -----------------------------------------------------------------------------------------------------


def to_terminal(document: Document) -> None:
    """The report on stdout, in colour where that is a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    # in a pipe a table keeps its width: nobody wants figures cut at 80 columns
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)
    console.print(Text(_shown(document.title), style="bold"), soft_wrap=True)
    for block in document.blocks:
        if isinstance(block, Heading):
            console.print(Text("\n" + _shown(block.text), style="bold"), soft_wrap=True)
        elif isinstance(block, Paragraph):
            console.print(Text(_shown(block.text), style="dim"))
        elif isinstance(block, Table):
            for columns in _parts(block, console.width):
                grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
                for c in columns:
                    if c in block.words:
                        grid.add_column(Text(block.head[c]), overflow="fold", min_width=6)
                    else:
                        grid.add_column(Text(block.head[c]), justify="right", no_wrap=True)
                for r, row in enumerate(block.rows):
                    bold = {c: "bold" if (r, c) in block.bold else "" for c in columns}
                    grid.add_row(*(Text(_shown(row[c]), style=bold[c]) for c in columns))
                console.print(grid)


def _parts(table: Table, width: int) -> list[list[int]]:
    """Columns of a table as one part, or as several that fit the width, each with the first column again."""
    from rich.cells import cell_len

    columns = list(zip(table.head, *table.rows, strict=True))
    # words may be broken into lines, numbers may not
    wanted = [min(30 if i in table.words else 99, max(map(cell_len, c))) + 3 for i, c in enumerate(columns)]
    parts = [[0]]
    for i in range(1, len(columns)):
        if len(parts[-1]) > 1 and sum(wanted[c] for c in (*parts[-1], i)) > width + 3:
            parts.append([0])
        parts[-1].append(i)
    return parts


def _shown(text: str) -> str:
    """The text without what could steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


# --- files --------------------------------------------------------------------------------------------------------


def check_free(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse, before any work, files that are there already or could not be written.

    Raises:
        InputError: naming the first such file.
    """
    for path in paths:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file.")
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists. Choose another file, or replace it with --overwrite.")
        if path.parent.exists() and not path.parent.is_dir():
            raise InputError(f"{path.parent} is no folder, so {path.name} cannot be written there.")


def write_files(files: Mapping[Path, str | bytes]) -> None:
    """Write files that belong together: each appears whole, and none before all of them were written.

    Raises:
        InputError: the disk or the folder does not take them; nothing was replaced then.
    """
    waiting: list[tuple[str, Path]] = []
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            waiting.append((name, path))
            with os.fdopen(handle, "wb") as stream:
                stream.write(content.encode("utf-8", "replace") if isinstance(content, str) else content)
            os.chmod(name, 0o666 & ~_umask())
        while waiting:
            os.replace(*waiting[0])
            waiting.pop(0)
    except OSError as error:
        raise InputError(f"cannot write {error.filename or path} ({error.strerror or error}).") from error
    finally:
        for name, _ in waiting:
            Path(name).unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mode mask; mkstemp makes files that nobody else can read."""
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Texts from arguments, a pipe or files: one a line, or a column of CSV, TSV or JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import TextIO

from bert_emotion.errors import InputError

DEFAULT_COLUMN = "text"


class Format(str, Enum):
    """How a file or pipe holds its texts."""

    LINES = "lines"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"


_BY_SUFFIX = {".csv": Format.CSV, ".tsv": Format.TSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}


def read_texts(files: Iterable[Path], input_format: Format | None, column: str | None) -> Iterator[str]:
    """Texts of files, in order, read as they are needed; ``-`` is the pipe.

    Args:
        files: what to read.
        input_format: None means by the suffix, one text a line where the suffix says nothing.
        column: column or key of the texts; None means ``text``.

    Raises:
        InputError: a file cannot be read, a column is missing, or a line is not what its format says.
    """
    csv.field_size_limit(2**31 - 1)  # a cell may hold a whole document
    for path in files:
        name = "<stdin>" if str(path) == "-" else str(path)
        chosen = input_format or _BY_SUFFIX.get(path.suffix.lower(), Format.LINES)
        if chosen is Format.LINES and column is not None:
            raise InputError(
                f"--column needs a table, but {name} is read as lines. Add --input-format csv, tsv or jsonl."
            )
        try:
            opened = (
                nullcontext(sys.stdin)
                if name == "<stdin>"
                else path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
            )
            with opened as stream:
                yield from _counting_broken(_texts(stream, chosen, column or DEFAULT_COLUMN, name), name)
        except OSError as error:
            raise InputError(f"cannot read {name}: {error.strerror or error}.") from error
        except csv.Error as error:
            raise InputError(f"{name} is not {chosen.value.upper()}: {error}.") from error


def _texts(stream: TextIO, chosen: Format, column: str, name: str) -> Iterator[str]:
    if chosen is Format.LINES:
        # only \n and \r\n end a line: str.splitlines would also cut at form feeds and U+2028
        yield from (line.rstrip("\r\n") for line in stream)
    elif chosen is Format.JSONL:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield _json_text(line, column, f"{name}:{number}")
    else:
        rows = csv.reader(stream, delimiter="," if chosen is Format.CSV else "\t")
        header = next(rows, None)
        if header is None:
            return
        if column not in header:
            found = ", ".join(repr(h) for h in header)
            raise InputError(f"{name} has no column {column!r}; found {found}. Name one with --column.")
        index = header.index(column)
        # a short row has no such cell: an empty text keeps answers and rows in step
        yield from (row[index] if index < len(row) else "" for row in rows if row)


def _json_text(line: str, column: str, where: str) -> str:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}.") from error
    if isinstance(item, str):
        return item
    if not isinstance(item, dict) or column not in item:
        raise InputError(f"{where} has no key {column!r}. Name one with --column.")
    value = item[column]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}: {column!r} is {type(value).__name__}, expected a string.")
    return value


def _counting_broken(texts: Iterator[str], name: str) -> Iterator[str]:
    """Pass texts on; bytes that are not UTF-8 become U+FFFD, and their lines are counted on stderr."""
    broken = 0
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            broken += 1
            text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        yield text
    if broken:
        sys.stderr.write(f"bert-emotion: {name}: {broken} text(s) held bytes that are not UTF-8, read as U+FFFD.\n")

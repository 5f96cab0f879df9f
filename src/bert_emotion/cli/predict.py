"""``bert-emotion predict``: texts in, emotions out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import tee
from pathlib import Path
from typing import Annotated

import typer

from bert_emotion.classifier import EmotionClassifier, Prediction
from bert_emotion.cli.options import Model, Runtime
from bert_emotion.cli.read import Format, read_texts
from bert_emotion.cli.write import Output, write
from bert_emotion.errors import InputError


def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; none: read the pipe, one text a line.")] = None,
    file: Annotated[
        list[Path] | None, typer.Option("--file", "-f", help="Text, CSV, TSV or JSONL file; - is the pipe.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", "-c", help="Column or key that holds the texts (default: text).")
    ] = None,
    input_format: Annotated[
        Format | None, typer.Option("--input-format", help="How to read files and the pipe (default: by suffix).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="Labels a text, best first.")] = 1,
    all_scores: Annotated[bool, typer.Option("--all-scores", help="Every score, in label order.")] = False,
    model: Model = None,
    runtime: Runtime = None,
    threads: Annotated[int, typer.Option("--threads", "-t", min=1, help="Texts read side by side.")] = 1,
) -> None:
    """Tell the emotion of texts. On a terminal a table, in a pipe TSV: label, emoji, score, reason, text."""
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other.")
    if texts and file:
        raise InputError("give texts or --file, not both.")
    source: Iterable[str] = texts or read_texts(file or [Path("-")], input_format, column)
    if not texts and not file and sys.stdin.isatty():
        raise InputError('no text given. Try: bert-emotion "i love you"')
    plain = Output.TABLE if sys.stdout.isatty() else Output.TSV
    output = Output.JSON if as_json else Output.CSV if as_csv else plain
    classifier = EmotionClassifier(model, threads, runtime=runtime)
    if top_k > len(classifier.labels):
        raise InputError(f"--top-k is {top_k}, but {classifier.config.name} has {len(classifier.labels)} labels.")
    if texts and len(texts) == 1 and len(texts[0]) < 256 and Path(texts[0]).is_file():
        sys.stderr.write(f"bert-emotion: {texts[0]!r} was read as a text; to read the file: --file {texts[0]}\n")
    try:
        write(_answers(classifier, source), output, top_k=top_k, all_scores=all_scores)
    except BrokenPipeError:
        # the reader (head, less) has gone: a quiet end, and nothing left for the interpreter to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def _answers(classifier: EmotionClassifier, texts: Iterable[str]) -> Iterator[tuple[str, Prediction]]:
    asked, kept = tee(texts)
    # the answers go first: zip must not take a text whose answer never comes
    for prediction, text in zip(classifier.stream(asked), kept, strict=False):
        yield text, prediction

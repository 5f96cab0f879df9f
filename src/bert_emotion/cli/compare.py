"""``bert-emotion compare``: models side by side on labelled texts."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bert_emotion.cli.evaluate import MapTo, SharedOnly, Split, read_data
from bert_emotion.cli.options import LabelColumn, LabelNames, MultiLabel, Overwrite, Separator, TextColumn
from bert_emotion.errors import InputError, require

if TYPE_CHECKING:
    from bert_emotion.data.labelled import Labelled


class Sort(str, Enum):
    """What the table is sorted by."""

    MACRO_F1 = "macro-f1"
    ACCURACY = "accuracy"
    WEIGHTED_F1 = "weighted-f1"
    PARAMETERS = "parameters"
    SIZE = "size"
    LATENCY = "latency"
    THROUGHPUT = "throughput"
    MEMORY = "memory"


_KEYS = {
    Sort.MACRO_F1: "macro_f1",
    Sort.ACCURACY: "accuracy",
    Sort.WEIGHTED_F1: "weighted_f1",
    Sort.PARAMETERS: "parameters",
    Sort.SIZE: "size_mb",
    Sort.LATENCY: "p50_ms",
    Sort.THROUGHPUT: "texts_per_s",
    Sort.MEMORY: "peak_mib",
}


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Shipped names, model folders, transformers folders or hub names (owner/name), ONNX folders or files, "
            "tfidf, lexicon:vader, lexicon:nrclex.",
        ),
    ],
    data: Annotated[str, typer.Option("--data", help="Labelled texts: CSV, TSV, JSONL, Parquet, dataset folder.")],
    train: Annotated[str | None, typer.Option("--train", help="Labelled texts that tfidf learns from.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for README.md, report.json, report.html and plots.")] = None,
    sort: Annotated[Sort, typer.Option(help="Sort the table by this, best first.")] = Sort.MACRO_F1,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    label_names: LabelNames = None,
    multi_label: MultiLabel = False,
    separator: Separator = ",",
    split: Split = "test",
    map_to: MapTo = None,
    shared_only: SharedOnly = False,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Score and measure models on the same labelled texts, each in a process of its own.

    A model that cannot be loaded becomes a row with the reason; the others go on. Labels of dair-ai/emotion, Ekman
    and GoEmotions are known by their names and mapped onto the 13 where it is needed; the report shows the table.
    """
    for library in ("sklearn", "scipy", *(("matplotlib",) if out else ())):
        require(library, "report")
    from bert_emotion.evaluation.compare import OUT_FILES, write_comparison
    from bert_emotion.evaluation.compare import compare as run
    from bert_emotion.evaluation.compare_render import comparison_document
    from bert_emotion.evaluation.document import check_free, to_terminal

    if out is not None:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file; --out names a folder.")
        check_free([out / file for file in OUT_FILES], overwrite=overwrite)

    def read(place: str, part: str) -> Labelled:
        return read_data(
            place,
            text_column=text_column,
            label_column=label_column,
            names=label_names,
            multi_label=multi_label,
            separator=separator,
            split=part,
        )

    figures = run(
        models,
        read(data, split),
        train=read(train, "train") if train else None,
        map_to=map_to.value if map_to else None,
        shared_only=shared_only,
        sort=_KEYS[sort],
        say=lambda line: typer.echo(line, err=True),
    )
    if out is not None:
        write_comparison(figures, out)
    if as_json:
        typer.echo(json.dumps(figures, ensure_ascii=False, indent=2))
    else:
        to_terminal(comparison_document(figures))
    if out is not None:
        typer.echo(f"{out / 'report.html'}", err=True)

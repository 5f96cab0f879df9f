"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bert_emotion.labels import LABELS

Model = Annotated[str | None, typer.Option("--model", "-m", help="Name of a shipped model, or a model folder.")]
Runtime = Annotated[
    str | None, typer.Option(help="onnxruntime, or litert for a folder of export --to litert (default: what it holds).")
]
Prepared = Annotated[Path, typer.Option(help="Tables that `bert-emotion data prepare` wrote.")]
Encoder = Annotated[str, typer.Option(help="Encoder folder or hub name.")]

PREPARED = Path("data/prepared")
"""Where ``bert-emotion data prepare`` writes."""
TextColumn = Annotated[str | None, typer.Option(help="Column of the texts (default: by its name).")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels (default: by its name).")]
LabelNames = Annotated[
    str | None, typer.Option(help="Names of label ids, in id order, with commas between; 'emotions': the 13.")
]
MultiLabel = Annotated[bool, typer.Option("--multi-label", help="A text may have several labels, or none.")]
Separator = Annotated[str, typer.Option("--label-separator", help="Between the labels of a cell (--multi-label).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def label_names_of(given: str | None) -> list[str] | None:
    """The names that ``--label-names`` lists; ``emotions`` stands for the 13."""
    if given is None:
        return None
    return list(LABELS) if given == "emotions" else [name.strip() for name in given.split(",")]

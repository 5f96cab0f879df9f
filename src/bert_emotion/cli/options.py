"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str | None, typer.Option("--model", "-m", help="Name of a shipped model, or a model folder.")]
Runtime = Annotated[
    str | None, typer.Option(help="onnxruntime, or litert for a folder of export --to litert (default: what it holds).")
]
Prepared = Annotated[Path, typer.Option(help="Tables that `bert-emotion data prepare` wrote.")]
Encoder = Annotated[str, typer.Option(help="Encoder folder or hub name.")]

PREPARED = Path("data/prepared")
"""Where ``bert-emotion data prepare`` writes."""

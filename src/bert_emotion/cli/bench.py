"""``bert-emotion bench``: speed, memory and size, side by side with the transformers pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bert_emotion.cli.options import Model


def bench(
    model: Model = None,
    pipeline: Annotated[
        bool,
        typer.Option("--pipeline/--no-pipeline", help="Measure the transformers pipeline on the same weights too."),
    ] = False,
    texts: Annotated[int, typer.Option(min=100, help="Texts of the throughput run.")] = 10_000,
    out: Annotated[Path | None, typer.Option(help="Also write the figures as JSON to this file.")] = None,
) -> None:
    """Measure latency, throughput, start-up, memory and size on one thread."""
    from bert_emotion.evaluation.benchmark import measure, render

    figures = measure(model, with_pipeline=pipeline, texts=texts, say=lambda line: typer.echo(line, err=True))
    typer.echo(render(figures))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

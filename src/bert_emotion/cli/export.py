"""``bert-emotion export``: one model in the form that a device needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bert_emotion.cli.options import Overwrite


def export(
    model: Annotated[str, typer.Argument(help="Name of a shipped model, or a model folder.")],
    to: Annotated[str, typer.Option(help="onnx, onnx-int8, litert, litert-micro, c or web.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Export a model for a device; refused where it does not answer like the float32 model."""
    from bert_emotion.export.deliver import export as run

    manifest = run(model, to, out, overwrite=overwrite, say=lambda line: typer.echo(line, err=True))
    parity = manifest["parity"]
    size = sum(entry["size"] for entry in manifest["files"].values())
    typer.echo(
        f"{out}: {size / 1e6:.1f} MB; {parity['equal_labels']:.1%} of {parity['texts']} texts keep their label, "
        f"probabilities move by at most {parity['max_probability_difference']:.3f}, "
        f"macro-F1 loss {parity['macro_f1_loss']:.4f}"
    )

"""``bert-emotion data``: fetch the sources and prepare the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bert_emotion.cli.progress import byte_bars
from bert_emotion.errors import require

app = typer.Typer(help="Fetch the sources and prepare the training and test tables.", no_args_is_help=True)

Raw = Annotated[Path, typer.Option("--raw", envvar="BERT_EMOTION_RAW", help="Folder of third-party files.")]
Sources = Annotated[list[str] | None, typer.Argument(help="Sources to take; none: all.")]


@app.command()
def download(sources: Sources = None, raw: Raw = Path("data/raw")) -> None:
    """Fetch the files of the sources from their public addresses and check them."""
    from bert_emotion.data.download import ensure
    from bert_emotion.data.sources import select_sources

    with byte_bars() as progress:
        for source in select_sources(sources):
            ensure(source, raw, progress=progress)
            typer.echo(f"{source.name}: {len(source.files)} file(s) in {raw}, sha256 right")


@app.command()
def prepare(
    sources: Sources = None,
    raw: Raw = Path("data/raw"),
    authored: Annotated[Path, typer.Option(help="Folder of this project's own text.")] = Path("data/authored"),
    out: Annotated[Path, typer.Option(help="Folder to write the tables to.")] = Path("data/prepared"),
    offline: Annotated[bool, typer.Option("--offline", help="Fail instead of fetching missing files.")] = False,
) -> None:
    """Read, map, de-duplicate and split the sources; missing files are fetched first."""
    require("pyarrow", "data")
    from bert_emotion.data.prepare import prepare as run

    with byte_bars() as progress:
        manifest = run(raw, authored, out, sources=sources or None, offline=offline, progress=progress)
    for name, entry in manifest["sources"].items():
        kept = ", ".join(f"{split} {n}" for split, n in entry["rows_kept"].items())
        dropped = ", ".join(f"{n} {reason}" for reason, n in entry["rows_dropped"].items()) or "none"
        typer.echo(f"{name} ({entry['licence']}): read {entry['rows_read']}; kept {kept}; dropped {dropped}")
    typer.echo(
        f"held-out texts {manifest['held_out_texts']}, training rows among them {manifest['train_rows_in_held_out']}; "
        f"tables and manifest.json in {out}"
    )

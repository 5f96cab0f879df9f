"""``bert-emotion train``: a file of labelled texts becomes a deployable model."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bert_emotion.cli.options import (
    LabelColumn,
    LabelNames,
    MultiLabel,
    Overwrite,
    Separator,
    TextColumn,
    label_names_of,
)
from bert_emotion.errors import InputError, require

LIBRARIES = ("torch", "transformers", "accelerate", "safetensors", "onnx", "sklearn")


def train(
    data: Annotated[str, typer.Argument(help="CSV, TSV, JSONL or Parquet file, dataset folder or hub name.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model folder to write.")],
    base: Annotated[
        str | None, typer.Option(help="Start from this shipped model, model folder or encoder (default: the default).")
    ] = None,
    preset: Annotated[str, typer.Option(help="default, multilingual-article or card.")] = "default",
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    label_names: LabelNames = None,
    multi_label: MultiLabel = False,
    label_separator: Separator = ",",
    dev: Annotated[str | None, typer.Option(help="Dev set (default: some rows are set aside).")] = None,
    dev_share: Annotated[float | None, typer.Option(min=0.01, max=0.9, help="Share of rows set aside as dev.")] = None,
    epochs: Annotated[float | None, typer.Option(min=0.01, help="Passes over the rows.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--lr", min=1e-8, help="Peak learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows a step.")] = None,
    max_length: Annotated[int | None, typer.Option(min=8, help="Longest input in tokens.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of split, order and dropout.")] = None,
    class_weights: Annotated[bool, typer.Option("--class-weights", help="Weigh rare labels more.")] = False,
    early_stopping: Annotated[int, typer.Option(min=0, help="Stop after that many epochs without gain.")] = 0,
    freeze: Annotated[int, typer.Option(min=0, help="Lowest layers that stay as they are.")] = 0,
    keep_emotions: Annotated[
        bool, typer.Option("--keep-emotions", help="Mix in rows of the 13 emotions, so that none is forgotten.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    overwrite: Overwrite = False,
    argument: Annotated[
        list[str] | None, typer.Option("--argument", help="NAME=VALUE of transformers.TrainingArguments.")
    ] = None,
) -> None:
    """Fine-tune on your own texts and labels; writes one folder that every other command takes.

    Ctrl-C ends the run with a checkpoint; the same command with --resume goes on from it.
    """
    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists. Choose another folder, or replace it with --overwrite.")
    run = out.with_name(f"{out.name}.run")
    if run.exists() and not resume:
        if not overwrite:
            raise InputError(f"{run} holds an interrupted run: go on with --resume, or start afresh with --overwrite.")
        shutil.rmtree(run)
    for library in LIBRARIES:
        require(library, "train")
    from bert_emotion.data.labelled import has_split, read_labelled
    from bert_emotion.export.own_model import write_own_model
    from bert_emotion.training.own_data import PRESETS, prepare
    from bert_emotion.training.own_data import train as run_training

    if preset not in PRESETS:
        raise InputError(f"no preset {preset!r}; there are {', '.join(PRESETS)}.")
    given = {
        "epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "max_length": max_length,
        "seed": seed, "dev_share": dev_share,
    }  # fmt: skip
    config = dataclasses.replace(
        PRESETS[preset],
        **{key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]
        class_weights=class_weights,
        early_stopping=early_stopping,
        freeze=freeze,
        keep_emotions=keep_emotions,
    )
    names = label_names_of(label_names)
    reading: dict[str, Any] = {
        "text_column": text_column, "label_column": label_column, "separator": label_separator,
        "multi_label": multi_label or None,
    }  # fmt: skip
    rows = read_labelled(data, names=names, **reading)
    aside = None
    if dev is not None:
        aside = read_labelled(dev, names=names, **reading, split="dev")
    elif has_split(data, "dev"):
        aside = read_labelled(data, names=names, **reading, split="dev")
    for note in rows.notes:
        _say(note)
    prepared = prepare(rows, aside, base, config)
    for note in prepared.notes:
        _say(note)
    _say(f"labels: {', '.join(prepared.train.names)}; starting from {prepared.base}")
    with _epochs() as (told, bar):
        result = run_training(
            prepared, config, run, resume=resume, arguments=_arguments(argument or []), callbacks=[bar], told=told
        )
    if result["interrupted"]:
        _say(f"interrupted at step {result['steps']}; go on with --resume")
        raise typer.Exit(130)
    manifest = write_own_model(prepared, config, result, out, notes=rows.notes + prepared.notes, say=_say)
    shutil.rmtree(run)
    figures = manifest["metrics"]["dev"]
    typer.echo(
        f"{out}: dev accuracy {figures['accuracy']:.4f}, macro-F1 {figures['macro_f1']:.4f} on {figures['rows']} rows"
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _arguments(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs; values that read as JSON (numbers, true, lists) are taken as such."""
    out: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--argument {pair!r} is not NAME=VALUE.")
        try:
            out[name] = json.loads(value)
        except ValueError:
            out[name] = value
    return out


class _epochs:  # noqa: N801 - reads as the statement it is
    """The table of epochs on stderr as it grows, and a bar of steps below it where that is a terminal."""

    def __enter__(self) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from transformers import TrainerCallback

        from bert_emotion.export.own_model import COLUMNS, epoch_cells

        columns = (TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = bars = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        headed = False

        def told(row: dict[str, float]) -> None:
            nonlocal headed
            titles = [title for key, title in COLUMNS.items() if key in row]
            if not headed:
                bars.console.print("  ".join(titles), highlight=False)
                headed = True
            cells = (cell.rjust(len(title)) for cell, title in zip(epoch_cells(row), titles, strict=True))
            bars.console.print("  ".join(cells), highlight=False)

        task = bars.add_task("steps", total=None)

        class Bar(TrainerCallback):  # type: ignore[misc]
            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                bars.update(task, total=state.max_steps)

            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                bars.update(task, completed=state.global_step)

        self._bars.start()
        return told, Bar()

    def __exit__(self, *_: Any) -> None:
        self._bars.stop()

"""``bert-emotion evaluate``: a model on labelled texts, on the 13 examples, on the held-out sets."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bert_emotion.classifier import EmotionClassifier
from bert_emotion.cli.options import (
    PREPARED,
    LabelColumn,
    LabelNames,
    Model,
    MultiLabel,
    Overwrite,
    Prepared,
    Separator,
    TextColumn,
    label_names_of,
)
from bert_emotion.cli.write import emoji_cell
from bert_emotion.errors import InputError, require

if TYPE_CHECKING:
    from bert_emotion.data.labelled import Labelled


class ForeignLabels(str, Enum):
    """Foreign label sets that can be mapped onto the 13."""

    GOEMOTIONS = "goemotions"
    EKMAN = "ekman"
    DAIR = "dair"


Split = Annotated[str, typer.Option(help="Part of a dataset folder or name: train, dev or test.")]
MapTo = Annotated[
    ForeignLabels | None, typer.Option("--map", help="Map the data's labels from this foreign set onto the 13.")
]
SharedOnly = Annotated[bool, typer.Option("--shared-only", help="Leave out rows whose label no model knows.")]


def evaluate(
    model_place: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="Shipped name, model folder, transformers folder or hub name, ONNX folder.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="Labelled texts: CSV, TSV, JSONL, Parquet, dataset folder.")
    ] = None,
    examples: Annotated[bool, typer.Option("--examples", help="Run the 13 example sentences.")] = False,
    heldout: Annotated[bool, typer.Option("--held-out", help="Run the held-out test sets.")] = False,
    model: Model = None,
    prepared: Prepared = PREPARED,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    label_names: LabelNames = None,
    multi_label: MultiLabel = False,
    separator: Separator = ",",
    split: Split = "test",
    map_to: MapTo = None,
    shared_only: SharedOnly = False,
    errors: Annotated[int, typer.Option(min=0, help="How many of the surest mistakes to list.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as Markdown.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as one page with plots.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure a model: on labelled texts (MODEL DATA), on the 13 examples, or on the project's held-out sets.

    On labelled texts: accuracy, precision, recall and F1 with intervals, per label, confusion, calibration, length,
    the surest mistakes, latency.
    """
    if model is not None and model_place is not None and data is None and not (examples or heldout):
        model_place, data = None, model_place  # evaluate -m MODEL DATA
    if model is not None and model_place is not None:
        raise InputError(f"the model is named twice: {model_place!r} and --model {model!r}.")
    model = model_place if model is None else model
    if data is None and not examples and not heldout:
        raise InputError("nothing to evaluate: give MODEL and DATA, or --examples, or --held-out.")
    if data is None and (markdown or html):
        raise InputError("--markdown and --html report on labelled texts: give MODEL and DATA.")
    if data is not None and (examples or heldout):
        raise InputError("give either labelled texts (MODEL DATA), or --examples and --held-out.")
    if data is not None:
        from bert_emotion.artifact import DEFAULT_MODEL

        _on_data(
            model or DEFAULT_MODEL,
            lambda: read_data(
                str(data),
                text_column=text_column,
                label_column=label_column,
                names=label_names,
                multi_label=multi_label,
                separator=separator,
                split=split,
            ),
            map_to=map_to.value if map_to else None,
            shared_only=shared_only,
            errors=errors,
            as_json=as_json,
            markdown=markdown,
            html=html,
            overwrite=overwrite,
        )
        return
    classifier = EmotionClassifier(model)
    report: dict[str, Any] = {"model": classifier.config.name}
    if examples:
        report["examples"] = _examples(classifier, quiet=as_json)
    if heldout:
        require("pyarrow", "data")
        from bert_emotion.evaluation.testsets import evaluate as run

        report["held_out"] = run(classifier.predict_proba, prepared)
        for name, figures in report["held_out"].items():
            numbers = ", ".join(f"{k} {v:.4f}" for k, v in figures.items() if isinstance(v, float))
            if not as_json:
                typer.echo(f"{name} ({figures['rows']} texts): {numbers}")
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))


def read_data(
    place: str,
    *,
    text_column: str | None,
    label_column: str | None,
    names: str | None,
    multi_label: bool,
    separator: str,
    split: str,
) -> Labelled:
    """Labelled texts as the options say; rows stay as they are, also repeated ones."""
    from bert_emotion.data.labelled import SPLITS, read_labelled

    if split not in SPLITS:
        raise InputError(f"no split {split!r}; there are {', '.join(SPLITS)}.")
    return read_labelled(
        place,
        text_column=text_column,
        label_column=label_column,
        names=label_names_of(names),
        multi_label=multi_label or None,
        separator=separator,
        split=split,
        clean=False,
    )


def _on_data(
    model: str,
    read: Callable[[], Labelled],
    *,
    map_to: str | None,
    shared_only: bool,
    errors: int,
    as_json: bool,
    markdown: Path | None,
    html: Path | None,
    overwrite: bool,
) -> None:
    for library in ("sklearn", "scipy", *(("matplotlib",) if html else ())):
        require(library, "report")
    from bert_emotion.evaluation.contenders import open_contender
    from bert_emotion.evaluation.document import check_free, to_html, to_markdown, to_terminal, write_files
    from bert_emotion.evaluation.judge import judge
    from bert_emotion.evaluation.judge_render import judge_document, judge_pictures

    if markdown is not None and markdown == html:
        raise InputError("--markdown and --html name the same file.")
    check_free([path for path in (markdown, html) if path], overwrite=overwrite)
    labelled = read()
    with _text_bar() as progress:
        figures = judge(
            open_contender(model), labelled, map_to=map_to, shared_only=shared_only, errors=errors, progress=progress
        )
    document = judge_document(figures)
    files: dict[Path, str | bytes] = {}
    if markdown is not None:
        files[markdown] = to_markdown(document)
    if html is not None:
        files[html] = to_html(document, judge_pictures(figures))
    write_files(files)
    if as_json:
        typer.echo(json.dumps(figures, ensure_ascii=False, indent=2))
    else:
        to_terminal(document)


@contextmanager
def _text_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar of texts on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("texts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
    with shown as bars:
        task = bars.add_task("texts", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def report(
    model: Model = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write (default: reports/NAME).")] = None,
    prepared: Prepared = PREPARED,
) -> None:
    """Write the report of a model: held-out sets, per label, plots, robustness, the 13 examples."""
    require("pyarrow", "report")
    from bert_emotion.artifact import load_config
    from bert_emotion.evaluation.report import write_report

    folder = out or Path("reports") / load_config(model).name
    figures = write_report(model, prepared, folder)
    typer.echo(f"{folder}: authored test macro-F1 {figures['held_out']['authored test']['macro_f1']:.4f}")


def _examples(classifier: EmotionClassifier, *, quiet: bool) -> dict[str, Any]:
    from bert_emotion.evaluation.examples import run_examples

    results = run_examples(classifier)
    passed = sum(result.passed for result in results)
    if not quiet:
        widest = max(len(result.text) for result in results)

        def cell(label: str) -> str:
            return f"{emoji_cell(label)}{label:<10}"

        typer.echo(f"{'text':<{widest}}  {'expected':<13}  {'predicted':<13}  confidence")
        for result in results:
            verdict = "✅ PASS" if result.passed else "❌ FAIL"
            predicted = result.prediction
            typer.echo(
                f"{result.text:<{widest}}  {cell(result.expected)}  {cell(predicted.label)}  "
                f"{predicted.score:>10.2f}  {verdict}"
            )
        typer.echo(f"{passed} of {len(results)} right ({classifier.config.name})")
    return {
        "passed": passed,
        "of": len(results),
        "results": [result.asdict() for result in results],
    }

"""``bert-emotion evaluate``: the 13 examples, and the held-out sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bert_emotion.classifier import EmotionClassifier
from bert_emotion.cli.options import PREPARED, Model, Prepared
from bert_emotion.cli.write import emoji_cell
from bert_emotion.errors import InputError, require


def evaluate(
    examples: Annotated[bool, typer.Option("--examples", help="Run the 13 example sentences.")] = False,
    heldout: Annotated[bool, typer.Option("--held-out", help="Run the held-out test sets.")] = False,
    model: Model = None,
    prepared: Prepared = PREPARED,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Measure a model. The examples report each sentence; the held-out sets report accuracy and F1."""
    if not examples and not heldout:
        raise InputError("nothing to evaluate: give --examples or --held-out.")
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

"""``reports/<model>/``: every figure of a model as JSON and Markdown, with plots. Written by this alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bert_emotion import artifact
from bert_emotion.classifier import EmotionClassifier
from bert_emotion.errors import require
from bert_emotion.evaluation.examples import run_examples
from bert_emotion.evaluation.reliability import reliability_bins
from bert_emotion.evaluation.robustness import robustness
from bert_emotion.evaluation.testsets import answers, score, sincere_as_sarcasm
from bert_emotion.labels import LABELS


def write_report(model: str | Path | None, prepared: Path, out: Path) -> dict[str, Any]:
    """Measure a model on every held-out set and write the report folder; returns the figures.

    Args:
        model: as for ``EmotionClassifier``.
        prepared: output of the data step.
        out: folder to write ``report.json``, ``README.md``, ``confusion.png`` and ``reliability.png`` into.
    """
    require("matplotlib", "report")
    from bert_emotion.evaluation import plots

    classifier = EmotionClassifier(model)
    manifest = artifact.read_manifest(classifier.config.folder)
    predict = classifier.predict_proba
    held_out = answers(predict, prepared)
    figures: dict[str, Any] = {
        "model": classifier.config.name,
        "parameters": manifest["parameters"],
        "held_out": {name: score(probabilities, test) for name, (test, probabilities) in held_out.items()},
    }
    test, probabilities = held_out["authored test"]
    kept = probabilities.max(1) >= classifier.config.threshold
    right = probabilities.argmax(1) == test.truth
    figures["confidence"] = {
        "threshold": classifier.config.threshold,
        "coverage": float(kept.mean()),
        "kept_accuracy": float(right[kept].mean()),
        "rest_accuracy": float(right[~kept].mean()) if (~kept).any() else None,
    }
    figures["robustness"] = robustness(predict, held_out["authored test (sentences)"][0].texts)
    figures["sincere_as_sarcasm"] = sincere_as_sarcasm(held_out["GoEmotions test (12 labels)"][1], prepared)
    figures["examples"] = [result.asdict() for result in run_examples(classifier)]
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    scored = figures["held_out"][test.name]
    title = "Confusion, authored test (counts; shade: share of the row)"
    (out / "confusion.png").write_bytes(plots.to_png(plots.confusion(scored["confusion"], LABELS, LABELS, title)))
    title = f"Reliability, authored test (ECE {scored['ece']:.3f})"
    bins = reliability_bins(probabilities.max(1), right)
    (out / "reliability.png").write_bytes(plots.to_png(plots.reliability(bins, title)))
    (out / "README.md").write_text(_markdown(figures), encoding="utf-8")
    return figures


def _markdown(figures: dict[str, Any]) -> str:
    from bert_emotion.evaluation.tables import markdown_table, results_table

    per_label = figures["held_out"]["authored test"]["per_label_f1"]
    confidence = figures["confidence"]
    passed = sum(e["expected"] == e["label"] for e in figures["examples"])
    parts = [
        f"<!-- written by `bert-emotion report` -->\n# Report: {figures['model']}",
        results_table(figures["held_out"]),
        "## Per label, authored test\n\n"
        + markdown_table(["label", "F1"], [[label, f"{f1:.3f}"] for label, f1 in per_label.items()]),
        "![confusion](confusion.png)\n\n![reliability](reliability.png)",
        f"## Confidence, authored test\n\nAbove the threshold {confidence['threshold']:.2f}: "
        f"{confidence['coverage']:.0%} of the answers, {confidence['kept_accuracy']:.1%} of them right.",
        "## Robustness, authored test sentences\n\n"
        + markdown_table(
            ["change", "texts", "answers unchanged"],
            [[name, str(r["texts"]), f"{r['unchanged_answers']:.1%}"] for name, r in figures["robustness"].items()],
        ),
        "## Sincere public comments that are called Sarcasm, GoEmotions test\n\n"
        + markdown_table(
            ["people's label", "texts", "called Sarcasm"],
            [
                [name, str(r["texts"]), f"{r['called_sarcasm']:.1%}"]
                for name, r in figures["sincere_as_sarcasm"].items()
            ],
        ),
        f"## The 13 examples: {passed} of {len(figures['examples'])}\n\n"
        + markdown_table(
            ["text", "expected", "predicted", "confidence"],
            [[e["text"], e["expected"], e["label"], f"{e['score']:.2f}"] for e in figures["examples"]],
        ),
    ]
    return "\n\n".join(parts) + "\n"

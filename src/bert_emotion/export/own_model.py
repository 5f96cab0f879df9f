"""A model fine-tuned on somebody's own data becomes one deployable folder, described by its own figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from bert_emotion import artifact
from bert_emotion.classifier import EmotionClassifier
from bert_emotion.data.labelled import Labelled
from bert_emotion.errors import TrainingError
from bert_emotion.evaluation.metrics import accuracy, calibration_error, f1_per_label, macro_f1
from bert_emotion.evaluation.tables import markdown_table
from bert_emotion.export.folder import whole_folder
from bert_emotion.export.package import calibrate, export_int8, parity_of, write_manifest, write_settings
from bert_emotion.training.benchmarks import multi_label_f1, tune_thresholds
from bert_emotion.training.encoder import commit, load_classifier, save_classifier
from bert_emotion.training.own_data import Prepared, TrainConfig, targets, token_ids_of

FEW_ROWS = 100
"""With fewer dev rows temperature, threshold and figures are shaky, and the card says so."""


def write_own_model(
    prepared: Prepared,
    config: TrainConfig,
    result: dict[str, Any],
    out: Path,
    *,
    notes: list[str],
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Export, calibrate and describe a trained model; returns the manifest.

    `out` appears only when all of it is written; a folder of that name is replaced then.

    Args:
        prepared: what was trained; its model holds the trained weights.
        config: the settings.
        result: what ``own_data.train`` returned.
        out: folder to write; its name becomes the model's.
        notes: what the reader of the card should know of the data.
        say: called with one line a step.

    Raises:
        TrainingError: the folder cannot be written.
        ExportError: the exported network does not answer as the trained one.
    """
    with whole_folder(out, TrainingError) as folder:
        return _fill(prepared, config, result, folder, notes, say)


def _fill(
    prepared: Prepared,
    config: TrainConfig,
    result: dict[str, Any],
    folder: Path,
    notes: list[str],
    say: Callable[[str], None],
) -> dict[str, Any]:
    dev, names = prepared.dev, prepared.train.names
    save_classifier(prepared.model, prepared.tokenizer_json, folder, prepared.max_length, prepared.encoder)
    record = {
        "recipe": "own data",
        "config": asdict(config),
        "base": prepared.base,
        "labels": list(names),
        "rows": {"train": len(prepared.train), "dev": len(dev)},
        "rows_per_label": dict(Counter(label for labels in prepared.train.labels for label in labels)),
        "commit": commit(),
        "notes": notes,
        **result,
    }
    (folder / "training.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    model, _ = load_classifier(folder)  # as it was saved, in half precision
    ids, truth = token_ids_of(prepared, dev.texts), targets(dev)
    say("int8 export")
    expected, found, difference = export_int8(model, ids, folder)
    say("calibration on dev")
    if dev.multi_label:
        thresholds = tune_thresholds(1 / (1 + np.exp(-found)), truth)
        write_settings(
            folder,
            folder.name,
            prepared.max_length,
            temperature=1.0,
            threshold=0.0,
            label_thresholds=[round(float(t), 3) for t in thresholds],
        )
        calibration: dict[str, float] = {"temperature": 1.0, "threshold": 0.0}
        parity: dict[str, Any] = {
            "fp32_max_difference": difference,
            "int8_equal_labels": round(float(((expected > 0) == (found > 0)).all(axis=1).mean()), 4),
        }
    else:
        calibration = calibrate(folder, folder.name, prepared.max_length, dev.texts, truth)
        parity = asdict(parity_of(expected, found, difference, truth, names))
    facts: dict[str, Any] = {
        "name": folder.name,
        "licence": "that of your data and of the base model",
        "base": prepared.base,
        "training_commit": record["commit"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "parity": parity,
        "calibration": calibration,
        "metrics": {"dev": _dev_figures(folder, dev, truth)},
    }
    manifest = write_manifest(folder, facts)
    (folder / "README.md").write_text(_card(manifest, record, dev), encoding="utf-8")
    artifact.verify(folder)
    return manifest


def _dev_figures(folder: Path, dev: Labelled, truth: np.ndarray) -> dict[str, Any]:
    """Figures of the finished int8 model on dev."""
    classifier = EmotionClassifier(folder)
    scores, size = classifier.predict_proba(dev.texts), len(dev.names)
    if dev.multi_label:
        given = scores >= np.asarray(classifier.config.label_thresholds)
        f1 = multi_label_f1(scores, truth, np.asarray(classifier.config.label_thresholds))
        figures = {
            "accuracy": float((given == (truth > 0)).all(axis=1).mean()),
            "macro_f1": float(f1.mean()),
            "micro_f1": float(f1_score(truth > 0, given, average="micro", zero_division=0)),
        }
    else:
        said = scores.argmax(1)
        f1 = f1_per_label(truth, said, size)
        present = sorted(set(truth.tolist()))
        figures = {
            "accuracy": accuracy(truth, said),
            "macro_f1": macro_f1(truth, said, size, present),
            "ece": calibration_error(scores, truth),
        }
    rounded = {key: round(value, 4) for key, value in figures.items()}
    return {
        "rows": len(dev),
        **rounded,
        "per_label_f1": {n: round(float(v), 4) for n, v in zip(dev.names, f1, strict=True)},
    }


def _card(manifest: dict[str, Any], record: dict[str, Any], dev: Labelled) -> str:
    figures = manifest["metrics"]["dev"]
    support = Counter(label for labels in dev.labels for label in labels)
    kind = "several labels a text" if dev.multi_label else "one label a text"
    head = [
        "---\nlibrary_name: transformers\npipeline_tag: text-classification\ntags: [bert-emotion, onnx, int8]\n---",
        f"<!-- written by `bert-emotion train`; edits are lost -->\n# {manifest['name']}",
        f"{len(dev.names)} labels, {kind}; fine-tuned from `{record['base']}` on {record['rows']['train']} rows.",
        "```python\nfrom bert_emotion import EmotionClassifier\n\n"
        f'EmotionClassifier("{manifest["name"]}").predict("…")  # the path of this folder\n```',
        "## Dev set\n\n"
        + markdown_table(
            ["rows", *(key.replace("_", " ") for key in figures if key not in ("rows", "per_label_f1"))],
            [[str(figures["rows"]), *(f"{v:.3f}" for k, v in figures.items() if k not in ("rows", "per_label_f1"))]],
        ),
        "The epoch was chosen, and confidence calibrated, on these very rows: expect a little less on texts of your "
        "users. For a clean figure: `bert-emotion evaluate THIS_FOLDER TEST_FILE` on rows that were set aside.",
    ]
    if len(dev) < FEW_ROWS:
        head.append(f"With only {len(dev)} dev rows these figures and the confidence threshold are rough.")
    head += [
        "### Per label\n\n"
        + markdown_table(
            ["label", "training rows", "dev rows", "F1 on dev"],
            [
                [n.replace("|", "\\|"), str(record["rows_per_label"].get(n, 0)), str(support[n]), f"{f1:.3f}"]
                for n, f1 in figures["per_label_f1"].items()
            ],
        ),
        "## Training\n\n" + epochs_table(record["epochs"]),
        f"int8 keeps {manifest['parity']['int8_equal_labels']:.1%} of the answers of the trained weights on dev. "
        f"Settings: {', '.join(f'{key} {value}' for key, value in record['config'].items())}.",
    ]
    if record["notes"]:
        head.append("Data:\n\n" + "\n".join(f"- {note}" for note in record["notes"]))
    return "\n\n".join(head) + "\n"


COLUMNS = {
    "epoch": "epoch",
    "step": "step",
    "train_loss": "train loss",
    "validation_loss": "validation loss",
    "accuracy": "accuracy",
    "macro_f1": "F1 (macro)",
    "weighted_f1": "F1 (weighted)",
    "micro_f1": "F1 (micro)",
}
"""Columns of the table of epochs, where a row has them."""


def epoch_cells(row: dict[str, float]) -> list[str]:
    """Cells of one row of the table of epochs."""
    return [f"{row[key]:g}" if key in ("epoch", "step") else f"{row[key]:.4f}" for key in COLUMNS if key in row]


def epochs_table(rows: list[dict[str, float]]) -> str:
    """The table of epochs in Markdown."""
    head = [title for key, title in COLUMNS.items() if key in rows[0]]
    return markdown_table(head, [epoch_cells(row) for row in rows])

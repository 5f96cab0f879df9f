"""A trained folder becomes a model folder: ONNX, calibration, manifest, card; refused where int8 loses."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion import artifact
from bert_emotion.classifier import EmotionClassifier
from bert_emotion.data.prepare import manifest_hash, read_table
from bert_emotion.errors import ExportError
from bert_emotion.evaluation.examples import run_examples
from bert_emotion.evaluation.metrics import accuracy, f1_per_label, fit_temperature, fit_threshold, macro_f1, softmax
from bert_emotion.evaluation.testsets import evaluate
from bert_emotion.export import onnx as onnx_export
from bert_emotion.export.card import render_card
from bert_emotion.export.folder import whole_folder
from bert_emotion.labels import LABELS
from bert_emotion.training.encoder import load_classifier, logits_of, longest_input, token_ids

INT8_MAX_LOSS = 0.01
"""Largest loss of dev macro-F1 that quantising may cost."""

KEPT_ACCURACY = 0.95
"""The low-confidence threshold keeps answers of this accuracy on dev."""

_COPIED = ("tokenizer.json", "tokenizer_config.json", "training.json")
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Parity:
    """How the exported network compares with the trained one, on the authored dev rows."""

    fp32_max_difference: float
    int8_equal_labels: float
    int8_max_probability_difference: float
    fp32_macro_f1: float
    int8_macro_f1: float
    int8_per_label_f1_change: dict[str, float]


def package(
    trained: Path,
    prepared: Path,
    out: Path,
    *,
    name: str,
    weights: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Export, check, calibrate and describe a trained model; returns the manifest.

    `out` appears only when every check has passed; an older folder of that name is replaced then.

    Args:
        trained: folder that training wrote.
        prepared: output of the data step (the dev rows calibrate, the test rows are reported).
        out: model folder to write.
        name: name with version, such as ``small-v7``.
        weights: keep the half-precision torch weights too (for training on, and for the transformers pipeline).
        say: called with one line a step.

    Raises:
        ExportError: fp32 differs from torch, or int8 loses more than ``INT8_MAX_LOSS`` macro-F1.
    """
    with whole_folder(out, ExportError) as folder:
        for file in (*_COPIED, *((_WEIGHTS,) if weights else ())):
            shutil.copyfile(trained / file, folder / file)
        model, tokenizer = load_classifier(trained)
        table = read_table(prepared, "authored", "dev").to_pydict()
        ids, truth = token_ids(tokenizer, table["text"]), np.asarray(table["label"])
        max_length = longest_input(trained)

        say("export and parity")
        parity = parity_of(*export_int8(model, ids, folder), truth)
        if (loss := parity.fp32_macro_f1 - parity.int8_macro_f1) > INT8_MAX_LOSS:
            raise ExportError(
                f"int8 loses {loss:.4f} macro-F1 on dev, allowed is {INT8_MAX_LOSS}; nothing was written."
            )
        shutil.copyfile(trained / artifact.CONFIG, folder / artifact.CONFIG)
        say("calibration on dev")
        calibration = calibrate(folder, name, max_length, table["text"], truth)

        say("held-out sets")
        classifier = EmotionClassifier(folder)
        training = json.loads((trained / "training.json").read_text(encoding="utf-8"))
        data = json.loads((prepared / "manifest.json").read_text(encoding="utf-8"))
        facts: dict[str, Any] = {
            "name": name,
            "licence": "Apache-2.0",
            "training_commit": training["commit"],
            "data_manifest_sha256": manifest_hash(prepared),
            "sources": {
                s: {k: data["sources"][s][k] for k in ("home", "revision", "licence", "content_sha256")}
                for s in training["sources"]
            },
            "parameters": sum(p.numel() for p in model.parameters()),
            "parity": asdict(parity),
            "calibration": calibration,
            "metrics": _round(evaluate(classifier.predict_proba, prepared)),
            "examples_passed": sum(r.passed for r in run_examples(classifier)),
        }
        manifest = write_manifest(folder, facts)
        config = artifact.read_config_json(folder)
        (folder / "README.md").write_text(render_card(manifest, config, training), encoding="utf-8")
        artifact.verify(folder)
    return manifest


def write_settings(folder: Path, name: str, max_length: int, **settings: Any) -> None:
    """Write the runtime's settings into ``config.json``, and the manifest that a load checks."""
    config = artifact.read_config_json(folder)
    config["bert_emotion"] = {
        "format": artifact.FORMAT,
        "name": name,
        "max_length": max_length,
        **settings,
        "opset": onnx_export.OPSET,
    }
    (folder / artifact.CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_manifest(folder, {"name": name})


def calibrate(folder: Path, name: str, max_length: int, texts: list[str], truth: np.ndarray) -> dict[str, float]:
    """Fit temperature and threshold of the int8 model on dev rows and write them into ``config.json``."""
    write_settings(folder, name, max_length, temperature=1.0, threshold=0.0)
    raw = EmotionClassifier(folder).predict_proba(texts)
    temperature = fit_temperature(np.log(np.clip(raw, 1e-12, None)), truth)
    write_settings(folder, name, max_length, temperature=temperature, threshold=0.0)
    threshold, coverage = fit_threshold(EmotionClassifier(folder).predict_proba(texts), truth, KEPT_ACCURACY)
    write_settings(folder, name, max_length, temperature=temperature, threshold=threshold)
    return {"temperature": temperature, "threshold": threshold, "dev_coverage_at_95": coverage}


def export_int8(model: Any, ids: list[list[int]], folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Write the int8 network into `folder`.

    Returns:
        Logits of torch and of int8 for `ids`, float32 (n, labels) each, and the largest difference between torch
        and fp32 ONNX.
    """
    expected = logits_of(model, ids, bf16=False)
    int8_path = folder / artifact.ONNX
    with tempfile.TemporaryDirectory() as scratch:
        fp32_path = Path(scratch) / "fp32.onnx"
        onnx_export.export_fp32(model, fp32_path)
        difference = onnx_export.check_fp32(fp32_path, ids[:300], expected[:300])
        shape = model.config
        onnx_export.quantize(
            fp32_path, int8_path, heads=shape.num_attention_heads, hidden=shape.hidden_size, ids=ids[:300]
        )
    return expected, onnx_export.run(int8_path, ids), difference


def parity_of(
    expected: np.ndarray, found: np.ndarray, difference: float, truth: np.ndarray, labels: Sequence[str] = LABELS
) -> Parity:
    """How int8 compares with torch on texts with known label ids; arguments as ``export_int8`` returns them."""
    size = len(labels)
    before, after = expected.argmax(1), found.argmax(1)
    change = f1_per_label(truth, after, size) - f1_per_label(truth, before, size)
    return Parity(
        fp32_max_difference=difference,
        int8_equal_labels=round(accuracy(before, after), 4),
        int8_max_probability_difference=round(float(np.abs(softmax(found) - softmax(expected)).max()), 4),
        fp32_macro_f1=round(macro_f1(truth, before, size), 4),
        int8_macro_f1=round(macro_f1(truth, after, size), 4),
        int8_per_label_f1_change={label: round(float(change[i]), 4) for i, label in enumerate(labels)},
    )


def write_manifest(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write ``manifest.json``: the facts, and size and sha256 of every file."""
    files = {}
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder).as_posix()
        if path.is_file() and file not in (artifact.MANIFEST, "README.md"):
            files[file] = {"sha256": artifact.sha256_of(path), "size": path.stat().st_size}
    manifest = {**facts, "files": files}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / artifact.MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def _round(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _round(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_round(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value

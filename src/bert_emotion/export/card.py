"""The model card, written from the manifest: nobody types a number."""

from __future__ import annotations

from typing import Any

from bert_emotion import artifact
from bert_emotion.evaluation.tables import markdown_table, results_table
from bert_emotion.labels import LABELS, Emotion

WEAK_F1 = 0.7
"""A label whose F1 on the authored test rows is below this is named as weak."""

_HEAD = """\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-classification
tags: [emotion, onnx, int8, edge]
---
<!-- written by `bert-emotion model package`; edits are lost -->
# {name}

Tells which of 13 emotions a short English text carries. {parameters} parameters, {megabytes} MB on disk (int8
ONNX + tokenizer), reads up to {max_length} tokens at a time and longer texts in sentence windows.

**Use it for** sorting, counting and routing texts by tone: chat, reviews, social posts, journals.
**Do not use it** to judge a person's mind or health, to decide about people, or as the only moderator. It reads
one text without context; it was trained and tested on English.
"""


def runtime_megabytes(manifest: dict[str, Any]) -> float:
    """Size in MB (10^6 bytes) of the files that the runtime reads."""
    return float(sum(e["size"] for f, e in manifest["files"].items() if f in artifact.RUNTIME_FILES)) / 1e6


def render_card(manifest: dict[str, Any], config: dict[str, Any], training: dict[str, Any]) -> str:
    """Markdown of the model card.

    Args:
        manifest: content of ``manifest.json``.
        config: content of ``config.json``.
        training: content of ``training.json``.
    """
    metrics = manifest["metrics"]
    per_label = metrics["authored test"]["per_label_f1"]
    weak = [f"{label} ({f1:.2f})" for label, f1 in sorted(per_label.items(), key=lambda item: item[1]) if f1 < WEAK_F1]
    parity, calibration = manifest["parity"], manifest["calibration"]
    parts = [
        _HEAD.format(
            name=manifest["name"],
            parameters=f"{manifest['parameters'] / 1e6:.1f} M",
            megabytes=f"{runtime_megabytes(manifest):.1f}",
            max_length=config["bert_emotion"]["max_length"],
        ),
        "## Results\n\n" + results_table(metrics),
        f"The 13 example sentences: {manifest['examples_passed']} of 13 right. Intervals are bootstraps over the rows. "
        "Sets of other people follow other definitions of the labels; GoEmotions and BRIGHTER rows with one label that "
        "maps onto the 13 are scored over the labels that occur there, iSarcasmEval as Sarcasm against the rest.",
        "### Per label, authored test\n\n"
        + markdown_table(
            ["id", "label", "F1", "covers"],
            [
                [str(int(e)), f"{e.emoji} {e.label}", f"{per_label[e.label]:.3f}", e.meaning]
                for e in (Emotion(i) for i in range(len(LABELS)))
            ],
        ),
        f"Weak labels (F1 below {WEAK_F1}): {', '.join(weak) if weak else 'none'}.",
        "## Confidence\n\n"
        f"Calibrated on dev (temperature {calibration['temperature']}). Below {calibration['threshold']:.2f} "
        "the answer carries `low_confidence`; on dev the answers above it are right in 95 % of the cases and are "
        f"{calibration['dev_coverage_at_95']:.0%} of all.",
        "## int8 against the trained weights (authored dev)\n\n"
        f"fp32 ONNX within {parity['fp32_max_difference']:.1e} of torch; int8 gives the same label for "
        f"{parity['int8_equal_labels']:.1%} of the texts; macro-F1 {parity['fp32_macro_f1']:.4f} before, "
        f"{parity['int8_macro_f1']:.4f} after.",
        "## Data and licences\n\n"
        + markdown_table(
            ["source", "revision", "licence"],
            [[f"{name} ({s['home']})", s["revision"], s["licence"]] for name, s in manifest["sources"].items()],
        ),
        "Every training row whose text, or a copy one word off, stands in a held-out set was dropped. The weights "
        f"are Apache-2.0. Recipe `{training['recipe']}`, commit `{manifest['training_commit']}`, data manifest "
        f"`{manifest['data_manifest_sha256'][:12]}`; every setting stands in `training.json`.",
    ]
    return "\n\n".join(parts) + "\n"

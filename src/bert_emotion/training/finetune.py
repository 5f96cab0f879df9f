"""Fine-tune an encoder on the authored text plus the public rows that a first model agrees with.

Two stages, both resumable. Stage 1 learns from the authored text alone. It then reads the public rows, and
a row is kept when the stage-1 model gives its label with enough confidence (plain mixing hurts: the public
labels are noisy and follow other definitions). Stage 2 starts afresh from the encoder with both. The stage
with the better authored-dev macro-F1 becomes the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from bert_emotion.data.prepare import read_table
from bert_emotion.data.sources import NO_LABEL
from bert_emotion.evaluation.metrics import macro_f1, softmax
from bert_emotion.labels import LABELS
from bert_emotion.training.encoder import (
    DEFAULT_ENCODER,
    can_trim,
    logits_of,
    new_classifier,
    own_tokenizer,
    provenance,
    read_tokenizer_json,
    save_classifier,
    token_ids,
)
from bert_emotion.training.loop import LoopConfig, Rows, fit
from bert_emotion.training.vocabulary import Vocabulary, trim

Progress = Callable[[str, int, int, float, float | None], None]
"""Called with (stage, step, steps, mean loss, newest dev macro-F1)."""

NEAR_WEIGHT = 0.75
"""What a row whose second labelling was "near" keeps for its own label; the rest goes to the other one."""


def of_stage(progress: Progress | None, name: str) -> Callable[[int, int, float, float | None], None] | None:
    """The progress of one named stage, as the training loop reports it."""
    return None if progress is None else partial(progress, name)


@dataclass(frozen=True)
class FinetuneConfig:
    """The recipe. Sources are named one by one, so that nothing slips into a shipped model unnoticed."""

    encoder: str = DEFAULT_ENCODER
    vocabulary_size: int = 16_000  # int8 file of an L6-H384 encoder stays under 20 MB
    vocabulary_sources: tuple[str, ...] = ("authored", "goemotions", "xed", "isarcasmeval", "unlabelled")
    max_length: int = 256
    public_sources: tuple[str, ...] = ("goemotions", "brighter", "isarcasmeval", "mustard", "xed")
    # kept public rows: the stage-1 model must agree, and a label gets at most this many from a source
    agree_confidence: float = 0.5
    public_per_label: int = 400
    public_weight: float = 0.5
    near_weight: float = NEAR_WEIGHT
    authored_only: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=3))
    with_public: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=3, seed=14))


def soft_targets(table: dict[str, list[Any]], near_weight: float) -> np.ndarray:
    """Targets, float32 (n, 13), of authored rows; a "near" second labelling shares the mass with its other label."""
    targets = np.zeros((len(table["text"]), len(LABELS)), dtype=np.float32)
    for i, (label, second, other) in enumerate(
        zip(table["label"], table["second"], table["second_label"], strict=True)
    ):
        own = near_weight if second == "near" and other not in (NO_LABEL, label) else 1.0
        targets[i, label] = own
        if own < 1:
            targets[i, other] = 1 - own
    return targets


def authored_rows(prepared: Path, tokenizer: Tokenizer, near_weight: float) -> Rows:
    """The authored training rows."""
    table = read_table(prepared, "authored", "train").to_pydict()
    weights = np.asarray(table["weight"], dtype=np.float32)
    return Rows(token_ids(tokenizer, table["text"]), soft_targets(table, near_weight), weights)


def agreed_rows(
    model: Any, tokenizer: Tokenizer, prepared: Path, config: FinetuneConfig
) -> tuple[Rows, dict[str, Any]]:
    """The public rows whose label `model` gives too, with counts per source for the record."""
    ids: list[list[int]] = []
    labels: list[int] = []
    weights: list[float] = []
    record: dict[str, Any] = {}
    for source in config.public_sources:
        table = read_table(prepared, source, "train").to_pydict()
        labelled = [i for i, label in enumerate(table["label"]) if label != NO_LABEL]
        source_ids = token_ids(tokenizer, [table["text"][i] for i in labelled])
        p = softmax(logits_of(model, source_ids))
        truth = np.asarray([table["label"][i] for i in labelled])
        sure = (p.argmax(1) == truth) & (p.max(1) >= config.agree_confidence)
        kept = 0
        for label in range(len(LABELS)):
            candidates = np.nonzero(sure & (truth == label))[0]
            # the least sure of the agreeing rows teach most; they come first up to the cap
            for j in candidates[np.argsort(p[candidates, label])][: config.public_per_label]:
                ids.append(source_ids[j])
                labels.append(label)
                weights.append(config.public_weight * table["weight"][labelled[j]])
                kept += 1
        record[source] = {
            "rows": len(labelled),
            "agree": round(float((p.argmax(1) == truth).mean()), 4),
            "kept": kept,
        }
    targets = np.eye(len(LABELS), dtype=np.float32)[labels]
    return Rows(ids, targets, np.asarray(weights, dtype=np.float32)), record


def dev_scorer(prepared: Path, tokenizer: Tokenizer) -> Callable[[Any], float]:
    """Macro-F1 on the authored dev split."""
    table = read_table(prepared, "authored", "dev").to_pydict()
    ids = token_ids(tokenizer, table["text"])
    truth = np.asarray(table["label"])
    return lambda model: macro_f1(truth, logits_of(model, ids).argmax(1), len(LABELS))


def build_vocabulary(config: FinetuneConfig, prepared: Path) -> Vocabulary | None:
    """Trim the encoder's vocabulary by the training texts of the named sources; None: it keeps its own."""
    if not can_trim(config.encoder):
        return None
    texts = (t for s in config.vocabulary_sources for t in read_table(prepared, s, "train").column("text").to_pylist())
    return trim(read_tokenizer_json(config.encoder), texts, config.vocabulary_size, config.max_length)


def finetune(
    prepared: Path, run: Path, out: Path, config: FinetuneConfig, progress: Progress | None = None
) -> dict[str, Any]:
    """Run both stages and write the model folder `out`; returns the training record saved there.

    Args:
        prepared: output of ``bert-emotion data prepare``.
        run: folder for checkpoints; an interrupted run found there goes on where it stopped.
        out: Hugging Face model folder to write (config, half-precision weights, tokenizer, ``training.json``).
        config: the recipe.
        progress: see ``Progress``.
    """
    vocabulary = build_vocabulary(config, prepared)
    kept = vocabulary is None
    tokenizer = (
        own_tokenizer(config.encoder, config.max_length)
        if vocabulary is None
        else Tokenizer.from_str(vocabulary.tokenizer_json)
    )
    dev_score = dev_scorer(prepared, tokenizer)

    def stage(name: str, rows: Rows, loop: LoopConfig) -> tuple[Any, dict[str, Any]]:
        model = new_classifier(config.encoder, vocabulary, config.max_length, loop.seed)
        return model, fit(model, rows, loop, run / name, dev_score, progress=of_stage(progress, name))

    authored = authored_rows(prepared, tokenizer, config.near_weight)
    first, first_result = stage("authored-only", authored, config.authored_only)
    public, public_record = agreed_rows(first, tokenizer, prepared, config)
    both = Rows(
        authored.ids + public.ids,
        np.concatenate([authored.targets, public.targets]),
        np.concatenate([authored.weights, public.weights]),
    )
    second, second_result = stage("with-public", both, config.with_public)
    chosen, model = (
        ("with-public", second) if second_result["best"] >= first_result["best"] else ("authored-only", first)
    )
    record = {
        "recipe": "finetune",
        "sources": list(
            dict.fromkeys(["authored", *config.public_sources, *(() if kept else config.vocabulary_sources)])
        ),
        "config": asdict(config),
        **provenance(prepared),
        "rows": {"authored": len(authored.ids), "public": len(public.ids)},
        "public": public_record,
        "stages": {"authored-only": first_result, "with-public": second_result},
        "chosen": chosen,
        "dev_macro_f1": max(first_result["best"], second_result["best"]),
    }
    save_classifier(
        model,
        vocabulary.tokenizer_json if vocabulary else tokenizer.to_str(),
        out,
        config.max_length,
        config.encoder if kept else None,
    )
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record

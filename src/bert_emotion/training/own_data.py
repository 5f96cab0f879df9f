"""Fine-tune a model on somebody's own labelled texts: what is learnt, from where, and how.

``prepare`` decides rows, label set and starting model, ``train`` runs ``transformers.Trainer``; writing the
deployable folder is the export room's part.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from bert_emotion import artifact
from bert_emotion.data.keys import normalise
from bert_emotion.data.labelled import Labelled
from bert_emotion.errors import InputError, ModelError, TrainingError
from bert_emotion.labels import LABELS, counterpart
from bert_emotion.training.encoder import find_encoder, load_classifier, new_classifier, read_tokenizer_json
from bert_emotion.training.trainer import run_trainer

KEPT = Path(__file__).with_name("kept.jsonl")
"""Authored training rows of all 13 emotions, mixed into a small set so that it does not wipe them out."""

LONGEST = 256
"""Longest input in tokens of a foreign encoder; longer texts are read in windows."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run; saved with the model.

    Attributes:
        preset: name of the preset that the settings started from.
        epochs: passes over the training rows; None: 5, and more where rows are few (``epochs_for``).
        batch_size: rows a step.
        learning_rate: peak; it rises over the warm-up and falls linearly to 0.
        warmup: share of all steps, 0-1.
        weight_decay: of AdamW, on matrices; 0 makes it Adam.
        max_length: longest input in tokens; None takes the model's own.
        seed: of the dev split, the order, dropout and a new head.
        dev_share: part of the rows set aside for dev where no dev set is given, 0-1.
        class_weights: weigh each label by the inverse of its frequency.
        early_stopping: stop after that many epochs without a better dev macro-F1; 0 never.
        freeze: lowest layers (with the embeddings) that stay as they are.
        keep_emotions: mix in rows of the 13 emotions, and keep all 13 labels.
    """

    preset: str = "default"
    epochs: float | None = None
    batch_size: int = 16
    learning_rate: float = 1e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    max_length: int | None = None
    seed: int = 42
    dev_share: float = 0.15
    class_weights: bool = False
    early_stopping: int = 0
    freeze: int = 0
    keep_emotions: bool = False


PRESETS: dict[str, TrainConfig] = {
    # minutes on two cores for 1,000 rows
    "default": TrainConfig(),
    # the article's: Adam with betas (0.9, 0.999) and epsilon 1e-8, linear schedule without warm-up
    "multilingual-article": TrainConfig(
        "multilingual-article", epochs=2, batch_size=64, learning_rate=2e-5, warmup=0.0, weight_decay=0.0, seed=42
    ),
    # the guide of the public model card
    "card": TrainConfig("card", epochs=5, batch_size=2, learning_rate=3e-5, warmup=0.0, max_length=64),
}


def epochs_for(rows: int, batch_size: int) -> float:
    """Epochs where none are asked for: 5, or up to 10 where 5 make fewer than 150 steps."""
    return float(min(10, max(5, -(-150 * batch_size // max(1, rows)))))


@dataclass(frozen=True)
class Prepared:
    """What a run starts from.

    Attributes:
        train: training rows, kept emotions included.
        dev: rows that choose the epoch and calibrate.
        model: torch classifier with a head for ``train.names``.
        tokenizer_json: its tokenizer.
        max_length: longest input in tokens.
        base: what it started from, for the record.
        encoder: encoder whose own tokenizer files are saved; None for a model of ours.
        notes: what the reader should know, one line each.
    """

    train: Labelled
    dev: Labelled
    model: Any
    tokenizer_json: str
    max_length: int
    base: str
    encoder: str | None
    notes: list[str] = field(default_factory=list)


def prepare(data: Labelled, dev: Labelled | None, base: str | None, config: TrainConfig) -> Prepared:
    """Split, decide the label set, load the model.

    Args:
        data: the labelled texts.
        dev: rows to choose by; None sets some of `data` aside.
        base: shipped name, model folder of ours, or any Hugging Face encoder folder or name; None: the default.
        config: the settings.

    Raises:
        InputError: one class only, dev labels that training lacks, or labels that `keep_emotions` cannot keep.
        ModelError: `base` is no model.
    """
    notes: list[str] = []
    if len(data.names) < 2 or (not data.multi_label and len({g for (g,) in data.labels}) < 2):
        only = ", ".join(data.names) or "none"
        raise InputError(f"the data holds one class only ({only}); a classifier needs at least two.")
    if dev is None:
        data, dev = split(data, config.dev_share, config.seed)
        notes.append(f"{len(data)} rows to train on, {len(dev)} set aside as dev")
    else:
        dev = _without_training(dev, data, notes)
    counts = Counter(label for labels in data.labels for label in labels)
    if rare := [name for name in data.names if counts[name] == 1]:
        notes.append(f"only one row each: {', '.join(rare)}; nothing can be said about how well they are learnt")
    names = data.names
    if config.keep_emotions:
        if data.multi_label or not set(names) <= set(LABELS):
            raise InputError(
                f"--keep-emotions keeps the 13 emotions, but the labels are {', '.join(names)}; rename them."
            )
        data, names = _with_kept(data, dev, config.seed, notes), LABELS
    data, dev = replace(data, names=names), replace(dev, names=names)
    model, tokenizer_json, longest, started, encoder = _load(base, names, data.multi_label, config.seed)
    max_length = min(config.max_length or longest, longest)
    if config.freeze:
        _freeze(model, config.freeze)
    return Prepared(data, dev, model, tokenizer_json, max_length, started, encoder, notes)


def split(data: Labelled, share: float, seed: int) -> tuple[Labelled, Labelled]:
    """Training and dev rows: of every label (of every set of labels) the same share, at least one where two are."""
    rng = random.Random(seed)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, labels in enumerate(data.labels):
        groups[labels].append(row)
    aside: set[int] = set()
    single: list[int] = []
    for rows in groups.values():
        rng.shuffle(rows)
        if len(rows) == 1:
            single += rows
        else:
            aside.update(rows[: max(1, round(share * len(rows)))])
    if data.multi_label:  # rare combinations of labels would never reach dev
        rng.shuffle(single)
        aside.update(single[: round(share * len(single))])
    if not aside:
        raise InputError(f"{len(data)} rows are too few to set a dev part aside; give one with --dev.")
    return data.take(i for i in range(len(data)) if i not in aside), data.take(sorted(aside))


def _without_training(dev: Labelled, train: Labelled, notes: list[str]) -> Labelled:
    """Dev rows whose text is not trained on; labels that training lacks are an error."""
    if unknown := sorted({label for labels in dev.labels for label in labels} - set(train.names)):
        raise InputError(f"the dev set has the label {unknown[0]!r}, which no training row has.")
    known = {normalise(text) for text in train.texts}
    kept = dev.take(i for i, text in enumerate(dev.texts) if normalise(text) not in known)
    if len(kept) < len(dev):
        notes.append(f"{len(dev) - len(kept)} dev rows stand in the training rows too and were left out of dev")
    if not len(kept):
        raise InputError("every dev row stands in the training rows; nothing is left to choose by.")
    return kept


def _with_kept(data: Labelled, dev: Labelled, seed: int, notes: list[str]) -> Labelled:
    rows = [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]
    known = {normalise(text) for text in (*data.texts, *dev.texts)}
    rows = [row for row in rows if normalise(row["text"]) not in known]
    random.Random(seed).shuffle(rows)
    notes.append(f"{len(rows)} rows of the 13 emotions were mixed in (--keep-emotions)")
    return replace(
        data, texts=data.texts + [r["text"] for r in rows], labels=data.labels + [(r["label"],) for r in rows]
    )


def _load(
    base: str | None, names: tuple[str, ...], multi_label: bool, seed: int
) -> tuple[Any, str, int, str, str | None]:
    """Model with a head for `names`, tokenizer, longest input, name for the record, encoder of foreign files."""
    try:
        ours: Path | None = artifact.find_model(base)
    except ModelError:
        if base is None:
            raise
        ours = None
    if ours is not None:
        config = artifact.load_config(ours)
        model, _ = load_classifier(ours)
        _new_head(model, config.labels, names, multi_label, seed)
        return model, config.tokenizer_path.read_text(encoding="utf-8"), config.max_length, config.name, None
    assert base is not None
    try:
        tokenizer_json = read_tokenizer_json(base)
        model = new_classifier(base, None, None, seed, labels=names)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{base!r} is neither a model here nor one that loads ({str(error).splitlines()[0]})."
        ) from error
    if multi_label:
        model.config.problem_type = "multi_label_classification"
    # some encoders (RoBERTa) keep the first positions for padding
    room = int(getattr(model.config, "max_position_embeddings", LONGEST)) - 2
    return model, tokenizer_json, min(LONGEST, room), Path(base).name, find_encoder(base)


def _new_head(model: Any, old: tuple[str, ...], names: tuple[str, ...], multi_label: bool, seed: int) -> None:
    """A head for `names`; a label that the model knew, or knows by another name, goes on from its old row."""
    model.config.problem_type = "multi_label_classification" if multi_label else "single_label_classification"
    if names == old:
        return
    torch.manual_seed(seed)
    before = model.classifier
    head = torch.nn.Linear(before.in_features, len(names))
    torch.nn.init.normal_(head.weight, std=model.config.initializer_range)
    torch.nn.init.zeros_(head.bias)
    with torch.no_grad():
        for i, name in enumerate(names):
            known = name if name in old else counterpart(name)
            if known in old:
                head.weight[i] = before.weight[old.index(known)]
                head.bias[i] = before.bias[old.index(known)]
    model.classifier = head
    model.num_labels = model.config.num_labels = len(names)
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: i for i, name in enumerate(names)}


def _freeze(model: Any, layers: int) -> None:
    stack = next((m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList)), None)
    if stack is None or layers > len(stack):
        raise InputError(f"--freeze {layers}: the model has {0 if stack is None else len(stack)} layers.")
    for part in (model.base_model.embeddings, *stack[:layers]):
        part.requires_grad_(False)


def targets(data: Labelled) -> np.ndarray:
    """Single-label: int64 (n,) ids. Multi-label: float32 (n, labels), 1 where a label is given."""
    if not data.multi_label:
        return np.asarray(data.ids(), dtype=np.int64)
    places = {name: i for i, name in enumerate(data.names)}
    out = np.zeros((len(data), len(data.names)), dtype=np.float32)
    for row, labels in enumerate(data.labels):
        out[row, [places[label] for label in labels]] = 1
    return out


def token_ids_of(prepared: Prepared, texts: list[str]) -> list[list[int]]:
    """Ids of texts, cut at ``max_length`` tokens, unpadded."""
    tokenizer = Tokenizer.from_str(prepared.tokenizer_json)
    tokenizer.no_padding()
    tokenizer.enable_truncation(prepared.max_length)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def train(
    prepared: Prepared,
    config: TrainConfig,
    run: Path,
    *,
    resume: bool = False,
    arguments: dict[str, Any] | None = None,
    callbacks: list[Any] | None = None,
    told: Callable[[dict[str, float]], None] = lambda _: None,
) -> dict[str, Any]:
    """Train ``prepared.model`` in place, leaving the weights of the best dev macro-F1 in it.

    Args:
        prepared: rows and model.
        config: the settings.
        run: folder of checkpoints, which an interrupted run leaves behind.
        resume: go on from the newest checkpoint in `run`.
        arguments: further ``transformers.TrainingArguments`` by name, such as ``{"report_to": "tensorboard"}``.
        callbacks: further ``transformers.TrainerCallback`` objects.
        told: called with every row of the table of epochs.

    Returns:
        ``{"epochs": [{"epoch", "step", "train_loss", "validation_loss", "accuracy", "macro_f1", "weighted_f1"}, …],
        "best": …, "steps": …, "seconds": …, "interrupted": bool}``; multi-label runs have ``micro_f1`` for the last.

    Raises:
        TrainingError: no checkpoint to go on from, one of other data or settings, or no room on the disk.
    """
    key = _key(prepared, config)
    listed = run / "run.json"
    if resume:
        if not listed.is_file():
            raise TrainingError(f"{run} holds no interrupted run to go on from.")
        if json.loads(listed.read_text(encoding="utf-8")) != key:
            raise TrainingError(f"the run in {run} had other data or settings; use the same ones, or --overwrite.")
    _room(prepared.model, run)
    run.mkdir(parents=True, exist_ok=True)
    listed.write_text(json.dumps(key), encoding="utf-8")
    rows = [(token_ids_of(prepared, part.texts), targets(part)) for part in (prepared.train, prepared.dev)]
    if config.epochs is None:
        config = replace(config, epochs=epochs_for(len(prepared.train), config.batch_size))
    weights = _class_weights(rows[0][1], len(prepared.train.names)) if config.class_weights else None
    return run_trainer(
        prepared.model,
        *rows,
        config=config,
        multi_label=prepared.train.multi_label,
        run=run,
        resume=resume,
        class_weights=weights,
        arguments=arguments or {},
        callbacks=callbacks or [],
        told=told,
    )


def _key(prepared: Prepared, config: TrainConfig) -> dict[str, Any]:
    rows = json.dumps([prepared.train.texts, prepared.train.labels, prepared.dev.texts, prepared.train.names])
    return {
        "config": asdict(config),
        "base": prepared.base,
        "data_sha256": hashlib.sha256(rows.encode("utf-8", "surrogatepass")).hexdigest(),
    }


def _class_weights(truth: np.ndarray, size: int) -> np.ndarray:
    """Weight of each label, float32 (labels,), mean 1 over the rows: n / (labels * count)."""
    counts = truth.sum(axis=0) if truth.ndim == 2 else np.bincount(truth, minlength=size)
    weights: np.ndarray = (len(truth) / (size * np.maximum(1, counts))).astype(np.float32)
    return weights


def _room(model: Any, run: Path) -> None:
    """Refuse to start where two checkpoints would not fit: better now than after an hour."""
    # weights and the optimiser's two moments in float32, two checkpoints, and the folder itself
    needed = 2 * 12 * sum(p.numel() for p in model.parameters()) + 50_000_000
    place = next(parent for parent in (run, *run.resolve().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise TrainingError(
            f"{place} has {free / 1e6:.0f} MB free, the run needs up to {needed / 1e6:.0f} MB. Make room or choose "
            "another folder."
        )

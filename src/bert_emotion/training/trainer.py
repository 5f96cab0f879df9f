"""``transformers.Trainer`` as this project uses it: class weights, a table of epochs, a clean end at Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch.nn import functional
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from bert_emotion.errors import InputError, TrainingError
from bert_emotion.training.encoder import half_precision, pad

if TYPE_CHECKING:
    from bert_emotion.training.own_data import TrainConfig

Encoded = tuple[list[list[int]], np.ndarray]
"""Unpadded ids and targets (see ``own_data.targets``) of a set of rows."""


class _Rows(torch.utils.data.Dataset):  # type: ignore[misc]
    def __init__(self, encoded: Encoded) -> None:
        self._ids, self._targets = encoded

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self._ids[row], "labels": self._targets[row]}


def _batch(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    ids, mask = pad([row["input_ids"] for row in rows])
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor(np.stack([r["labels"] for r in rows]))}


class _Weighted(Trainer):  # type: ignore[misc]
    """The loss with a weight for each label."""

    class_weights: torch.Tensor | None = None
    multi_label = False

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, **_: Any) -> Any:
        """Cross-entropy, or binary cross-entropy for several labels a text."""
        labels = inputs["labels"]
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        logits = outputs.logits.float()
        if self.multi_label:
            loss = functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=self.class_weights)
        else:
            loss = functional.cross_entropy(logits, labels, weight=self.class_weights)
        return (loss, outputs) if return_outputs else loss


class _Table(TrainerCallback):  # type: ignore[misc]
    """Tells one row an epoch, and ends the run with a checkpoint when it is interrupted."""

    def __init__(self, told: Callable[[dict[str, float]], None]) -> None:
        self.interrupted = False
        self._told = told

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.interrupted:
            control.should_save = control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.interrupted:
            return
        self._told(_epochs(state.log_history)[-1])


def _names(metrics: dict[str, float]) -> list[str]:
    return [name for name in ("accuracy", "macro_f1", "weighted_f1", "micro_f1") if f"eval_{name}" in metrics]


CHOICE = "choice"
"""What the best epoch is chosen by: macro-F1, and among equals the one with the smaller log loss. On a small dev set
the first epochs often tie, and the first of them has hardly learnt anything."""


def dev_metrics(logits: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Accuracy, F1 and ``CHOICE`` of logits (n, labels); `truth` as ``own_data.targets`` gives it."""
    figures = _figures(logits, truth)
    if truth.ndim == 2:
        loss = float(np.logaddexp(0, np.where(truth > 0, -logits, logits)).mean())
    else:
        shifted = logits - logits.max(axis=1, keepdims=True)
        loss = float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(truth)), truth]).mean())
    return {**figures, CHOICE: figures["macro_f1"] - 1e-3 * min(loss, 100.0)}


def _figures(logits: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    if truth.ndim == 2:
        said = (logits > 0).astype(int)
        return {
            "accuracy": float((said == truth).all(axis=1).mean()),
            "macro_f1": float(f1_score(truth, said, average="macro", zero_division=0)),
            "micro_f1": float(f1_score(truth, said, average="micro", zero_division=0)),
        }
    said = logits.argmax(1)
    # over the labels that occur: a label that dev lacks says nothing about the model
    present = np.unique(truth)
    return {
        "accuracy": float((said == truth).mean()),
        "macro_f1": float(f1_score(truth, said, average="macro", labels=present, zero_division=0)),
        "weighted_f1": float(f1_score(truth, said, average="weighted", zero_division=0)),
    }


def run_trainer(
    model: Any,
    train: Encoded,
    dev: Encoded,
    *,
    config: TrainConfig,
    multi_label: bool,
    run: Path,
    resume: bool,
    class_weights: np.ndarray | None,
    arguments: dict[str, Any],
    callbacks: list[Any],
    told: Callable[[dict[str, float]], None],
) -> dict[str, Any]:
    """Train `model` in place; see ``own_data.train`` for the arguments and the result."""
    started = time.monotonic()
    transformers_logging.disable_progress_bar()
    settings = _arguments(config, len(train[0]), run, arguments)
    newest = _newest(run) if resume else None
    if resume and newest is None:
        raise TrainingError(f"{run} holds no checkpoint: the run was stopped before its first. Start it again.")
    table = _Table(told)
    every: list[Any] = [table, *callbacks]
    if config.early_stopping:
        every.append(EarlyStoppingCallback(config.early_stopping))
    trainer = _Weighted(
        model=model,
        args=settings,
        train_dataset=_Rows(train),
        eval_dataset=_Rows(dev),
        data_collator=_batch,
        compute_metrics=lambda answers: dev_metrics(answers.predictions, answers.label_ids),
        callbacks=every,
    )
    trainer.remove_callback(PrinterCallback)  # the table says it
    trainer.multi_label = multi_label
    if class_weights is not None:
        trainer.class_weights = torch.from_numpy(class_weights)
    with _until_interrupted(table):
        try:
            trainer.train(resume_from_checkpoint=str(newest) if newest else None)
        except (OSError, RuntimeError) as error:
            if "space" in str(error).lower() or "write" in str(error).lower():
                raise TrainingError(f"a checkpoint could not be written to {run} ({error}). Make room.") from error
            raise
    evaluated = [entry for entry in trainer.state.log_history if f"eval_{CHOICE}" in entry]
    best = max(evaluated, key=lambda entry: entry[f"eval_{CHOICE}"], default=None)
    return {
        "epochs": _epochs(trainer.state.log_history),
        "best": best["eval_macro_f1"] if best else None,
        "steps": trainer.state.global_step,
        "seconds": round(time.monotonic() - started, 1),
        "interrupted": table.interrupted,
    }


def _epochs(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """The table of epochs out of the trainer's own log, which a resumed run carries on."""
    rows, loss = [], float("nan")
    for entry in history:
        loss = entry.get("loss", loss)
        if "eval_loss" in entry:
            rows.append(
                {
                    "epoch": round(entry["epoch"], 2),
                    "step": entry["step"],
                    "train_loss": round(loss, 4),
                    "validation_loss": round(entry["eval_loss"], 4),
                    **{name: round(entry[f"eval_{name}"], 4) for name in _names(entry)},
                }
            )
    return rows


def _newest(run: Path) -> Path | None:
    found = [p for p in run.glob("checkpoint-*") if (p / "trainer_state.json").is_file()]
    return max(found, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def _arguments(config: TrainConfig, rows: int, run: Path, further: dict[str, Any]) -> TrainingArguments:
    known = signature(TrainingArguments.__init__).parameters
    if unknown := sorted(set(further) - set(known)):
        raise InputError(f"TrainingArguments has no {unknown[0]!r}.")
    assert config.epochs is not None
    steps = max(1, -(-rows // config.batch_size))
    # batches of like length; the option was renamed
    if "train_sampling_strategy" in known:
        grouped: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
    else:
        grouped = {"group_by_length": True}
    settings: dict[str, Any] = {
        "output_dir": str(run),
        "num_train_epochs": config.epochs,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": 64,
        "learning_rate": config.learning_rate,
        "warmup_steps": int(steps * config.epochs * config.warmup),
        "weight_decay": config.weight_decay,
        "lr_scheduler_type": "linear",
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "seed": config.seed,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": CHOICE,
        "greater_is_better": True,
        "logging_strategy": "epoch",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "use_cpu": not torch.cuda.is_available(),
        "bf16": half_precision() or (torch.cuda.is_available() and torch.cuda.is_bf16_supported()),
        "dataloader_pin_memory": False,
        "log_level": "error",
        **grouped,
        **further,
    }
    try:
        return TrainingArguments(**settings)
    except (ValueError, TypeError) as error:
        raise InputError(f"TrainingArguments refuses the settings: {error}") from error


class _until_interrupted:  # noqa: N801 - reads as the statement it is
    """While it is entered, the first Ctrl-C ends the run with a checkpoint, the second ends it at once."""

    def __init__(self, table: _Table) -> None:
        self._table = table
        self._before: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number: int, frame: Any) -> None:
        if self._table.interrupted:
            raise KeyboardInterrupt
        self._table.interrupted = True

    def __exit__(self, *_: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

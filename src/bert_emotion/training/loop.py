"""One training loop for all models: soft targets in, best-on-dev weights out, exact resume.

bf16 autocast where the processor has it, batches of like length, linear warm-up and decay, checkpoints by the clock.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bert_emotion.errors import TrainingError
from bert_emotion.training.encoder import half_precision, pad
from bert_emotion.training.quantaware import ActivationRounding

log = logging.getLogger(__name__)

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]
"""(logits, targets, weights, temperature) to a scalar."""


@dataclass(frozen=True)
class LoopConfig:
    """Everything that decides the course of a run; saved with the weights.

    Attributes:
        epochs: passes over the rows.
        batch: rows a step.
        learning_rate: peak of the schedule.
        warmup: share of all steps in which the rate rises from 0; then it falls linearly to 0.
        weight_decay: on matrices, not on biases and norms.
        label_smoothing: mass spread evenly over the labels, 0-1.
        temperature: softening of the student's logits against soft targets; 1 for hard labels.
        clip: largest gradient norm.
        seed: seed of order and dropout.
        checkpoint_seconds: time between checkpoints.
        dev_every: share of an epoch between two looks at dev.
        quantised_from: share of all steps after which int8 rounding of activations is simulated (BERT
            classifiers only; 1 never). The best dev score is counted anew from there.
        masked: share of the pieces that is hidden behind the mask piece in every batch, 0-1: a small model then
            cannot learn its rows by heart from single words.
    """

    epochs: float = 3
    batch: int = 32
    learning_rate: float = 1e-4
    warmup: float = 0.08
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    temperature: float = 1.0
    clip: float = 1.0
    seed: int = 13
    checkpoint_seconds: float = 180
    dev_every: float = 0.5
    quantised_from: float = 1.0
    masked: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Training rows: unpadded ids, targets float32 (n, labels) that sum to 1, weights float32 (n,)."""

    ids: list[list[int]]
    targets: np.ndarray
    weights: np.ndarray


def batches_of(lengths: list[int], batch: int, seed: int, epoch: int, pool: int = 50) -> list[list[int]]:
    """Shuffled batches whose rows are of like length; a pure function, so that a resumed run sees the same."""
    order = list(range(len(lengths)))
    rng = random.Random(f"{seed}/{epoch}")
    rng.shuffle(order)
    out: list[list[int]] = []
    for start in range(0, len(order), batch * pool):
        chunk = sorted(order[start : start + batch * pool], key=lambda i: lengths[i])
        out.extend(chunk[i : i + batch] for i in range(0, len(chunk), batch))
    rng.shuffle(out)
    return out


def soft_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Weighted mean cross-entropy against soft targets; times T² as in Hinton et al. 2015 (arXiv:1503.02531)."""
    losses = -(targets * torch.log_softmax(logits.float() / temperature, dim=-1)).sum(-1)
    return (losses * weights).sum() / weights.sum().clamp_min(1e-6) * temperature**2


def binary_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Weighted mean binary cross-entropy, label by label, for several labels a text (no temperature)."""
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none").mean(-1)
    return (losses * weights).sum() / weights.sum().clamp_min(1e-6)


def hide(input_ids: torch.Tensor, mask: torch.Tensor, share: float, mask_id: int) -> torch.Tensor:
    """`input_ids` with about `share` of the pieces between the first and the last replaced by `mask_id`."""
    hidden = (torch.rand(input_ids.shape) < share) & mask.bool()
    hidden[:, 0] = False
    hidden[torch.arange(len(mask)), mask.sum(1) - 1] = False
    return input_ids.masked_fill(hidden, mask_id)


def make_optimizer(model: torch.nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """AdamW with weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    rest = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def fit(
    model: Any,
    rows: Rows,
    config: LoopConfig,
    run: Path,
    dev_score: Callable[[Any], float],
    *,
    loss: Loss = soft_cross_entropy,
    mask_id: int | None = None,
    progress: Callable[[int, int, float, float | None], None] | None = None,
) -> dict[str, Any]:
    """Train `model` in place and leave the weights of the best dev score in it.

    Args:
        model: callable as ``model(input_ids=…, attention_mask=…).logits``.
        rows: what to learn.
        config: how.
        run: folder for ``checkpoint.pt``, ``best.pt`` and ``history.json``; a checkpoint found there is resumed.
        dev_score: larger is better.
        loss: called with (logits, targets, weights, temperature).
        mask_id: the mask piece; needed where ``config.masked`` is above 0.
        progress: called with (step, steps, loss, newest dev score or None).

    Returns:
        ``{"best": …, "history": [{"step", "loss", "dev"}, …], "seconds": …}``

    Raises:
        TrainingError: the checkpoint in `run` belongs to another configuration or other rows, or pieces are to be
            masked and there is no mask piece.
    """
    if config.masked and mask_id is None:
        raise TrainingError(f"{config.masked:.0%} of the pieces are to be masked, but the vocabulary has no [MASK].")
    run.mkdir(parents=True, exist_ok=True)
    lengths = [len(r) for r in rows.ids]
    per_epoch = (len(lengths) + config.batch - 1) // config.batch
    steps = max(1, int(per_epoch * config.epochs))
    warmup = max(1, int(steps * config.warmup))
    optimizer = make_optimizer(model, config)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / warmup, max(0.0, (steps - s) / max(1, steps - warmup)))
    )
    key = {"config": asdict(config), "rows": len(lengths), "tokens": sum(lengths)}
    torch.manual_seed(config.seed)
    step, best, seconds = 0, -1.0, 0.0
    history: list[dict[str, float]] = []
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if json.loads(saved["key"]) != key:
            raise TrainingError(
                f"{checkpoint} belongs to a run of other settings or rows. Choose another folder or remove it."
            )
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
        torch.set_rng_state(saved["rng"])
        step, best, seconds = saved["step"], saved["best"], saved["seconds"]
        history = json.loads(saved["history"])
        log.info("resumed at step %d of %d", step, steps)

    def save() -> None:
        state = {
            "key": json.dumps(key), "model": model.state_dict(), "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(), "rng": torch.get_rng_state(), "step": step, "best": best,
            "seconds": seconds + time.monotonic() - started, "history": json.dumps(history),
        }  # fmt: skip
        partial = checkpoint.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(checkpoint)

    rounding = ActivationRounding(model)
    quantised_step = int(steps * config.quantised_from)
    if step > quantised_step:
        rounding.enable()

    half = half_precision()
    model.train()
    dev_stride = max(1, int(per_epoch * config.dev_every))
    started = saved_at = time.monotonic()
    mean_loss = 0.0
    latest: float | None = None
    while step < steps:
        epoch = step // per_epoch
        plan = batches_of(lengths, config.batch, config.seed, epoch)
        for chosen in plan[step - epoch * per_epoch :]:
            if step == quantised_step and config.quantised_from < 1:
                rounding.enable()
                best = -1.0  # scores without rounding are not comparable
            input_ids, mask = pad([rows.ids[i] for i in chosen])
            if config.masked and mask_id is not None:
                input_ids = hide(input_ids, mask, config.masked, mask_id)
            targets = torch.from_numpy(rows.targets[chosen])
            if config.label_smoothing:
                targets = targets * (1 - config.label_smoothing) + config.label_smoothing / targets.shape[1]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                logits = model(input_ids=input_ids, attention_mask=mask).logits
            value = loss(logits, targets, torch.from_numpy(rows.weights[chosen]), config.temperature)
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            mean_loss = value.item() if mean_loss == 0 else 0.98 * mean_loss + 0.02 * value.item()
            if step % dev_stride == 0 or step == steps:
                latest = dev_score(model)
                history.append({"step": step, "loss": round(mean_loss, 4), "dev": round(latest, 4)})
                if latest > best:
                    best = latest
                    torch.save(model.state_dict(), run / "best.pt")
                model.train()
            if progress is not None:
                progress(step, steps, mean_loss, latest)
            if time.monotonic() - saved_at > config.checkpoint_seconds:
                save()
                saved_at = time.monotonic()
            if step >= steps:
                break
    save()
    model.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    model.eval()
    result = {"best": best, "history": history, "seconds": round(seconds + time.monotonic() - started, 1)}
    (run / "history.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result

"""The ladder of shipped sizes: one named recipe each. All learn from the same teacher answers."""

from __future__ import annotations

from dataclasses import dataclass

from bert_emotion.training.distill import DistillConfig
from bert_emotion.training.loop import LoopConfig
from bert_emotion.training.students import Shape


@dataclass(frozen=True)
class Tier:
    """One size of the ladder.

    Attributes:
        start: the tier (or ``finetune``) whose trained folder it starts from.
        budget_mb: largest size on disk of the runtime files, MB.
        recipe: how it is distilled; its ``start`` is filled in by the command.
    """

    start: str
    budget_mb: float
    recipe: DistillConfig


def _loop(epochs: float, learning_rate: float, batch: int = 32) -> LoopConfig:
    return LoopConfig(
        epochs=epochs,
        learning_rate=learning_rate,
        batch=batch,
        label_smoothing=0.0,
        temperature=1.5,
        warmup=0.05,
        dev_every=0.5,
        quantised_from=0.5,
    )


LADDER: dict[str, Tier] = {
    # the fine-tuned encoder itself, taught
    "base": Tier("finetune", 20.0, DistillConfig(start="", loop=_loop(2, 1.2e-4))),
    # four of its six layers; the vocabulary cut until the budget holds
    "small": Tier(
        "base",
        12.0,
        DistillConfig(start="", shape=Shape(layers=(0, 1, 3, 5), vocabulary=11_000), loop=_loop(2, 1.5e-4)),
    ),
    # the shape of the public card: wide weights projected down, then a long training
    "mini": Tier(
        "base",
        5.0,
        DistillConfig(
            start="", shape=Shape(layers=(0, 1, 3, 5), hidden=128, heads=4), variants=2, loop=_loop(1.5, 6e-4, 64)
        ),
    ),
    "nano": Tier(
        "mini",
        2.5,
        DistillConfig(start="", shape=Shape(layers=(0, 3), vocabulary=11_000), variants=2, loop=_loop(2, 6e-4, 64)),
    ),
}

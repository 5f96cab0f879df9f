"""A student learns the inner states of a wider model before it learns labels.

Thirteen numbers a text say little of what a wide encoder knows; its states say much more, for every piece of
every text. Each layer of the student is mapped onto a layer of the wide model by a linear map that is thrown
away afterwards (TinyBERT, Jiao et al. 2020, arXiv:1909.10351), and its answers follow the wide model's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from bert_emotion.errors import TrainingError
from bert_emotion.training.distill import ASSISTED_POOL, PoolConfig, choose_pool, with_pool
from bert_emotion.training.encoder import (
    folder_name,
    load_classifier,
    longest_input,
    provenance,
    save_classifier,
    token_ids,
)
from bert_emotion.training.finetune import Progress, dev_scorer, of_stage
from bert_emotion.training.lineage import lineage
from bert_emotion.training.loop import LoopConfig, Rows, fit


@dataclass(frozen=True)
class MatchConfig:
    """How a student is matched to a wider model of the same vocabulary.

    Attributes:
        student: model folder whose weights it starts from.
        wide: model folder to follow.
        answers: weight of the answers (cross-entropy at `temperature`) beside the states (squared error in units
            of the wide states' variance, mean of all layers).
        temperature: softening of both sides' answers.
        pool: which texts; their labels are not used.
        loop: the course of training.
    """

    student: str
    wide: str
    answers: float = 0.5
    temperature: float = 1.5
    pool: PoolConfig = ASSISTED_POOL
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            epochs=1, batch=64, learning_rate=1e-3, warmup=0.05, label_smoothing=0.0, dev_every=0.25
        )
    )


def counterpart(layer: int, layers: int, wide_layers: int) -> int:
    """The wide model's layer that a student's layer follows, spread evenly; the last follows the last."""
    return round((layer + 1) * wide_layers / layers) - 1


class Matched(torch.nn.Module):  # type: ignore[misc]
    """The student with its maps; ``forward`` gives the distance from the wide model, (batch, 1), as ``logits``."""

    def __init__(self, student: Any, wide: Any, config: MatchConfig) -> None:
        super().__init__()
        self.student = student
        layers = student.config.num_hidden_layers
        self.maps = torch.nn.ModuleList(
            torch.nn.Linear(student.config.hidden_size, wide.config.hidden_size) for _ in range(layers)
        )
        self._wide = (wide.eval(),)  # in a tuple: not a part of this module, not trained, not saved
        self._chosen = [counterpart(i, layers, wide.config.num_hidden_layers) for i in range(layers)]
        self._config = config

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Distance of every text, float32 (batch, 1), as ``logits``: what the training loop takes a mean of."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "output_hidden_states": True}
        with torch.no_grad():
            target = self._wide[0](**inputs)
        found = self.student(**inputs)
        real = attention_mask.float()
        distance = torch.zeros(len(input_ids))
        for i, (straight, chosen) in enumerate(zip(self.maps, self._chosen, strict=True)):
            state = target.hidden_states[chosen + 1].float()  # the first is the embedding
            error = (straight(found.hidden_states[i + 1]).float() - state).square().mean(-1)
            spread = state[attention_mask.bool()].var(dim=0).mean()
            distance = distance + (error * real).sum(1) / real.sum(1) / spread / len(self.maps)
        t = self._config.temperature
        wanted = torch.softmax(target.logits.float() / t, dim=-1)
        answers = -(wanted * torch.log_softmax(found.logits.float() / t, dim=-1)).sum(-1) * t**2
        return SimpleNamespace(logits=(distance + self._config.answers * answers)[:, None])


def _mean(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, temperature: float) -> torch.Tensor:
    return logits.mean()


def match(
    prepared: Path, run: Path, out: Path, config: MatchConfig, progress: Progress | None = None
) -> dict[str, Any]:
    """Match a student to a wider model and write the student's model folder; returns the training record.

    Args:
        prepared: output of the data step.
        run: folder for checkpoints.
        out: Hugging Face model folder to write.
        config: who follows whom, and how.
        progress: see ``finetune.Progress``.

    Raises:
        TrainingError: the two folders read a text as different pieces.
    """
    start = Path(config.student)
    student, tokenizer = load_classifier(start)
    wide, other = load_classifier(Path(config.wide))
    if tokenizer.get_vocab() != other.get_vocab():
        raise TrainingError(
            f"{start} and {config.wide} have different vocabularies; states of pieces cannot be matched."
        )
    torch.manual_seed(config.loop.seed)
    both = Matched(student, wide, config)
    ids = token_ids(tokenizer, choose_pool(prepared, config.pool))
    score = dev_scorer(prepared, tokenizer)
    report = of_stage(progress, f"match {out.parent.name}")
    rows = Rows(ids, np.zeros((len(ids), 1), dtype=np.float32), np.ones(len(ids), dtype=np.float32))
    result = fit(both, rows, config.loop, run, lambda model: score(model.student), loss=_mean, progress=report)
    sources, before = lineage(start)
    record = {
        "recipe": "match",
        "sources": with_pool(sources, config.pool),
        "config": asdict(config),
        **provenance(prepared),
        "rows": len(ids),
        "teacher": {"encoder": folder_name(Path(config.wide))},
        "started_from": before,
        "result": result,
        "dev_macro_f1": result["best"],
    }
    tokenizer_json = (start / "tokenizer.json").read_text(encoding="utf-8")
    save_classifier(student, tokenizer_json, out, longest_input(start))
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record

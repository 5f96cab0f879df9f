"""Judge a model on labelled texts: every figure of ``bert-emotion evaluate MODEL DATA``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bert_emotion.data.labelled import Labelled
from bert_emotion.errors import require
from bert_emotion.evaluation.benchmark import machine, versions
from bert_emotion.evaluation.contenders import Contender, label_sets_of
from bert_emotion.evaluation.label_space import Truth, understand
from bert_emotion.evaluation.timing import latency

STEP = 64
FEW_TEXTS = 100
"""Below so many texts a report warns that its intervals are too narrow."""

Progress = Callable[[int, int], None]
"""Called with (texts done, texts in all)."""


def judge(
    contender: Contender,
    data: Labelled,
    *,
    map_to: str | None = None,
    shared_only: bool = False,
    errors: int = 20,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Run a model on labelled texts and score its answers.

    Args:
        contender: the model.
        data: labelled texts, read with ``clean=False``.
        map_to: the data's labels are those of this foreign set (key of ``label_space.TABLES``).
        shared_only: leave out rows whose label is unknown.
        errors: how many of the surest mistakes to list.
        progress: called while texts are answered.

    Returns:
        The figures, in plain JSON types: ``full`` over all rows; ``shared`` over the rows whose label the model
        can give, None where that is all of them; shares are 0-1, times in milliseconds.

    Raises:
        InputError: labels that the model does not know.
        MissingExtraError: scikit-learn is not installed.
    """
    require("sklearn", "report")
    from bert_emotion.evaluation import scores

    facts = contender.facts
    numbered, others = label_sets_of(facts)
    truth = understand(data, numbered, others=others, map_to=map_to, shared_only=shared_only)
    timing = latency(contender.scores, truth.texts)
    parts = []
    for start in range(0, len(truth.texts), STEP):
        parts.append(contender.scores(truth.texts[start : start + STEP]))
        progress(min(start + STEP, len(truth.texts)), len(truth.texts))
    answers = scores.read_answers(np.concatenate(parts), facts, truth)
    figures: dict[str, Any] = {
        "model": facts.name,
        "kind": facts.kind,
        "parameters": facts.parameters,
        "size_mb": facts.size_mb,
        "data": described(truth),
        "labels": labels_of(truth, answers),
        "full": scores.block(truth, answers),
        "shared": scores.block(truth, answers, answers.shared) if 0 < answers.shared.sum() < len(truth.texts) else None,
        "per_label": scores.per_label(truth, answers),
        "length": scores.by_length(truth, answers),
        "errors": scores.worst(truth, answers, errors),
        "latency": timing,
        "machine": machine(),
        "versions": versions(),
    }
    if not truth.multi_label:
        figures["confusion"] = scores.confusion(truth, answers)
        if facts.probabilistic:
            figures["top_k"] = scores.top_k(truth, answers)
            if not facts.multi_label:
                figures |= scores.calibration(truth, answers)
            if facts.threshold is not None and not facts.multi_label:
                figures["confidence"] = scores.confidence_at(answers, facts.threshold)
    return figures


def described(truth: Truth) -> dict[str, Any]:
    """The data of a report: rows, texts a label, what was understood and left out."""
    notes = list(truth.notes)
    if len(truth.texts) < FEW_TEXTS:
        notes.append(f"only {len(truth.texts)} texts: intervals of so few are not to be relied on")
    return {
        "rows": len(truth.texts),
        "multi_label": truth.multi_label,
        "labels": truth.counts,
        "map": truth.table,
        "notes": notes,
    }


def labels_of(truth: Truth, answers: Any) -> dict[str, Any]:
    """Labels that the model cannot give with their number of texts, answers beside the data, the table used."""
    beside = answers.given[:, len(truth.names) :].sum(axis=0).tolist()
    names = answers.fit.names[len(truth.names) :]
    return {
        "cannot_give": {name: truth.counts[name] for name in answers.fit.cannot_give(truth.names)},
        "answered_beside_the_data": {name: count for name, count in zip(names, beside, strict=True) if count},
        "map": answers.fit.table,
        "set": answers.fit.title,
    }

"""The mean of several trained models of one shape: often better than each of them, at no cost to the user.

Models that were trained on from common weights lie in one valley of the loss, and so does their mean
("model soups", Wortsman et al. 2022, arXiv:2203.05482; with the weights before a fine-tuning: 2022,
arXiv:2109.01903).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bert_emotion.errors import TrainingError
from bert_emotion.training.encoder import load_classifier, longest_input, provenance, save_classifier
from bert_emotion.training.finetune import dev_scorer
from bert_emotion.training.lineage import lineage, without_repeats


def average(prepared: Path, folders: Sequence[Path], shares: Sequence[float], out: Path) -> dict[str, Any]:
    """Write the weighted mean of trained folders as a new one; returns its training record.

    Args:
        prepared: output of the data step, for the dev score.
        folders: model folders of one shape and vocabulary, the first one's lineage is kept in full.
        shares: share of each, 0-1; they sum to 1.
        out: Hugging Face model folder to write.

    Raises:
        TrainingError: too few models, shares that do not fit, other shapes or other vocabularies.
    """
    if len(folders) < 2 or len(folders) != len(shares) or abs(sum(shares) - 1) > 1e-6 or min(shares) < 0:
        raise TrainingError(
            f"{len(folders)} models and the shares {list(shares)}: two or more models are needed, "
            "and a share of each, which sum to 1."
        )
    loaded = [load_classifier(folder) for folder in folders]
    model, tokenizer = loaded[0]
    states = [other.state_dict() for other, _ in loaded]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    for folder, (_, other), shape in zip(folders, loaded, shapes, strict=True):
        if other.get_vocab() != tokenizer.get_vocab() or shape != shapes[0]:
            raise TrainingError(
                f"{folder} has another shape or vocabulary than {folders[0]}; their mean has no meaning."
            )
    model.load_state_dict(
        {
            name: sum(share * state[name] for share, state in zip(shares, states, strict=True))
            if value.is_floating_point()
            else value
            for name, value in states[0].items()
        }
    )
    score = dev_scorer(prepared, tokenizer)(model)
    lineages = [lineage(folder) for folder in folders]
    record: dict[str, Any] = {
        "recipe": "average",
        "sources": list(dict.fromkeys(source for sources, _ in lineages for source in sources)),
        "config": {"models": [str(folder) for folder in folders], "shares": list(shares)},
        **provenance(prepared),
        "started_from": lineages[0][1],
        "averaged_with": [before for _, before in lineages[1:]],
        "dev_macro_f1": round(score, 4),
    }
    record = without_repeats(record)
    tokenizer_json = (folders[0] / "tokenizer.json").read_text(encoding="utf-8")
    save_classifier(model, tokenizer_json, out, longest_input(folders[0]))
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record

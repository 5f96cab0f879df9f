"""The teacher: a large sentence encoder fine-tuned on the authored text, and its answers for many texts.

The teacher is never shipped. Its logits are computed once, in resumable chunks, and every student learns
from the same file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import AutoModel

from bert_emotion.classifier import EmotionClassifier
from bert_emotion.data.prepare import manifest_hash, read_table
from bert_emotion.evaluation.metrics import macro_f1
from bert_emotion.labels import LABELS
from bert_emotion.training.encoder import commit, find_encoder, logits_of, own_tokenizer, token_ids
from bert_emotion.training.finetune import NEAR_WEIGHT, Progress, of_stage, soft_targets
from bert_emotion.training.loop import LoopConfig, Rows, fit
from bert_emotion.training.vocabulary import all_emoji

_EMOJI_WORDS = all_emoji()
_EMOJI = re.compile("[" + "".join(_EMOJI_WORDS) + "]")


def spell_emoji(text: str) -> str:
    """Emoji as their names: a published vocabulary knows no emoji, but it knows the words."""
    return _EMOJI.sub(lambda match: f" {_EMOJI_WORDS[match.group()]} ", text)


@dataclass(frozen=True)
class TeacherConfig:
    """The recipe of the teacher (FACTS of the field: two epochs are enough, the second still gains)."""

    encoder: str = "sentence-transformers/all-mpnet-base-v2"
    max_length: int = 192
    near_weight: float = NEAR_WEIGHT
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(epochs=2, learning_rate=4e-5, label_smoothing=0.05, dev_every=1.0)
    )


class SentenceClassifier(torch.nn.Module):  # type: ignore[misc]
    """Any encoder, mean pooling over the tokens (as sentence encoders are trained), and a linear head."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(find_encoder(encoder), dtype=torch.float32)
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, len(LABELS))
        self.config = SimpleNamespace(num_labels=len(LABELS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Logits (batch, 13) as ``.logits``."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp_min(1)
        return SimpleNamespace(logits=self.head(self.dropout(pooled)))


def train_teacher(prepared: Path, run: Path, config: TeacherConfig, progress: Progress | None = None) -> dict[str, Any]:
    """Fine-tune the teacher; its best weights stay in ``run/fit/best.pt``. An interrupted run goes on."""
    tokenizer = own_tokenizer(config.encoder, config.max_length)
    torch.manual_seed(config.loop.seed)
    model = SentenceClassifier(config.encoder)
    table = read_table(prepared, "authored", "train").to_pydict()
    ids = token_ids(tokenizer, [spell_emoji(t) for t in table["text"]])
    rows = Rows(ids, soft_targets(table, config.near_weight), np.asarray(table["weight"], dtype=np.float32))
    dev = read_table(prepared, "authored", "dev").to_pydict()
    dev_ids = token_ids(tokenizer, [spell_emoji(t) for t in dev["text"]])
    truth = np.asarray(dev["label"])
    result = fit(
        model,
        rows,
        config.loop,
        run / "fit",
        lambda m: macro_f1(truth, logits_of(m, dev_ids).argmax(1), len(LABELS)),
        progress=of_stage(progress, "teacher"),
    )
    record = {"config": asdict(config), "data_manifest_sha256": manifest_hash(prepared), "commit": commit(), **result}
    (run / "teacher.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


Answer = Callable[[list[str]], np.ndarray]
"""Texts to logits, float (n, 13)."""


def trained_teacher(run: Path, config: TeacherConfig) -> Answer:
    """The teacher that ``train_teacher`` left in `run`."""
    tokenizer = own_tokenizer(config.encoder, config.max_length)
    model = SentenceClassifier(config.encoder)
    model.load_state_dict(torch.load(run / "fit" / "best.pt", weights_only=True))
    model.eval()
    return lambda texts: logits_of(model, token_ids(tokenizer, [spell_emoji(t) for t in texts]))


def assistant(model: str, threads: int = 2) -> Answer:
    """A shipped model as the teacher of a smaller one: weaker, but some ten times faster, so it answers far more.

    (Teacher assistants: Mirzadeh et al. 2020, arXiv:1902.03393.)
    """
    classifier = EmotionClassifier(model, threads)
    # log-probabilities are logits but for a constant; the calibration is taken back
    return lambda texts: np.log(classifier.predict_proba(texts) + 1e-9) * classifier.config.temperature


TEXTS = "texts.json"
"""The texts of a folder of answers, in their order."""


def _answered(folder: Path) -> dict[str, np.ndarray]:
    """Texts and answers of a folder, as far as it came."""
    found: dict[str, np.ndarray] = {}
    if (folder / TEXTS).exists():
        texts = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
        for path in folder.glob(f"{'[0-9]' * 8}.npy"):
            found.update(zip(texts[int(path.stem) :], np.load(path), strict=False))
    return found


def label_texts(
    texts: list[str],
    teacher: Callable[[], Answer],
    out: Path,
    others: Sequence[Path] = (),
    *,
    chunk: int = 4096,
    progress: Callable[[int, int], None],
) -> np.ndarray:
    """The teacher's logits for `texts`, float32 (n, 13); chunks already below `out` are not computed again.

    Args:
        texts: what to answer.
        teacher: loads the teacher; not called where every answer is there.
        out: folder of the chunks.
        others: folders of the same teacher's answers to other lists of texts; what stands there is taken over.
        chunk: texts a file.
        progress: called with (texts done, texts in all).
    """
    out.mkdir(parents=True, exist_ok=True)
    pending = [start for start in range(0, len(texts), chunk) if not (out / f"{start:08d}.npy").exists()]
    if pending:
        known: dict[str, np.ndarray] = {}
        for other in others:
            known.update(_answered(other))
        answer: Answer | None = None
        for start in pending:
            some = texts[start : start + chunk]
            fresh = list(dict.fromkeys(text for text in some if text not in known))
            if fresh:
                answer = answer or teacher()
                known.update(zip(fresh, answer(fresh).astype(np.float16), strict=True))
            partial = out / f"{start:08d}.part.npy"
            np.save(partial, np.stack([known[text] for text in some]))
            partial.rename(out / f"{start:08d}.npy")
            progress(start + len(some), len(texts))
    parts = [np.load(out / f"{start:08d}.npy") for start in range(0, len(texts), chunk)]
    return np.concatenate(parts).astype(np.float32)

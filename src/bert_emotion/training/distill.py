"""Distil the teacher into a small encoder: soft labels on much more text than anybody labelled.

The pool of texts is authored + public + unlabelled + long texts made of several; the unlabelled ones are
chosen so that no label starves (a bag-of-words model guesses, the teacher decides). The teacher's answers
are computed once and kept; every student reads the same file.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from bert_emotion.artifact import find_model, read_manifest
from bert_emotion.data.keys import normalise
from bert_emotion.data.prepare import held_out, manifest_hash, read_table
from bert_emotion.errors import TrainingError
from bert_emotion.evaluation.metrics import softmax
from bert_emotion.labels import LABELS
from bert_emotion.training.augment import emoji_only, variant
from bert_emotion.training.encoder import load_classifier, longest_input, provenance, save_classifier, token_ids
from bert_emotion.training.finetune import NEAR_WEIGHT, Progress, dev_scorer, of_stage, soft_targets
from bert_emotion.training.lineage import lineage
from bert_emotion.training.loop import LoopConfig, Rows, fit
from bert_emotion.training.students import Shape, make_student
from bert_emotion.training.teacher import TEXTS, Answer, TeacherConfig, label_texts


@dataclass(frozen=True)
class PoolConfig:
    """Which texts the teacher answers. All of them may be learnt from by a shipped model."""

    public: tuple[tuple[str, int], ...] = (
        ("goemotions", 20_000),
        ("xed", 8_000),
        ("isarcasmeval", 5_000),
        ("brighter", 2_000),
        ("mustard", 1_000),
    )
    unlabelled: int = 30_000
    long: int = 3_000  # texts joined from 3 to 7 others
    max_words: int = 60  # of a single text; subtitles and comments beyond it are rambling
    seed: int = 13


ASSISTED_POOL = PoolConfig(unlabelled=200_000, long=8_000)
"""What a shipped model answers for a smaller one: it is fast, so the pool is large."""


@dataclass(frozen=True)
class DistillConfig:
    """How a student learns from the teacher.

    Attributes:
        start: trained folder whose weights and vocabulary the student starts from.
        shape: what of it the student keeps.
        soft_temperature: softening of both sides (Hinton et al. 2015).
        hard_share: share of the authored rows' own labels in their targets; the rest is the teacher's.
        variants: changed copies of every authored row, with the row's targets.
        emoji_rows: emoji-only rows with hard labels.
        pool_share: share, 0-1, of the pool's other texts that is learnt from; less of it, and the authored rows
            weigh more.
        public_share: share of a public row's own label in its targets, see ``with_public_labels``.
    """

    start: str
    shape: Shape = field(default_factory=Shape)
    soft_temperature: float = 1.5
    hard_share: float = 0.5
    variants: int = 1
    emoji_rows: int = 1500
    pool_share: float = 1.0
    public_share: float = 0.0
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            epochs=2, learning_rate=1.5e-4, label_smoothing=0.0, temperature=1.5, dev_every=0.5
        )
    )


def choose_pool(prepared: Path, config: PoolConfig) -> list[str]:
    """The texts for the teacher, authored training rows first, without repetition; the same on every call."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    rng = random.Random(config.seed)
    authored = read_table(prepared, "authored", "train").to_pydict()
    texts: list[str] = list(authored["text"])

    def fits(text: str) -> bool:
        return 2 <= len(text.split()) <= config.max_words

    for source, count in config.public:
        found = [t for t in read_table(prepared, source, "train").column("text").to_pylist() if fits(t)]
        texts += rng.sample(found, min(count, len(found)))
    unlabelled = [t for t in read_table(prepared, "unlabelled", "train").column("text").to_pylist() if fits(t)]
    words = HashingVectorizer(ngram_range=(1, 2), n_features=2**20, alternate_sign=False)
    guess = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=config.seed)
    guess.fit(words.transform(authored["text"]), authored["label"])
    scores = guess.decision_function(words.transform(unlabelled))
    guessed = scores.argmax(1)
    share = config.unlabelled // len(LABELS)
    for label in range(len(LABELS)):
        # half of them surely of the label, half any that look like it
        members = np.nonzero(guessed == label)[0]
        surest = members[np.argsort(-scores[members, label])][: share // 2].tolist()
        rest = sorted(set(members.tolist()) - set(surest))
        texts += [unlabelled[i] for i in surest + rng.sample(rest, min(share - len(surest), len(rest)))]
    texts = list(dict.fromkeys(texts))
    singles = list(texts)
    for _ in range(config.long):
        texts.append(" ".join(rng.sample(singles, rng.randint(3, 7))))
    return texts


def teacher_answers(
    prepared: Path,
    run: Path,
    pool: PoolConfig,
    teacher: Callable[[], Answer],
    progress: Callable[[int, int], None],
) -> tuple[list[str], np.ndarray]:
    """The pool and the teacher's logits, float32 (n, 13).

    Each pool of each state of the data has its own folder ``run/pool-…`` and is chosen and answered once; of
    another pool's texts those that stand in this one are not asked again.
    """
    key = json.dumps({"pool": asdict(pool), "data": manifest_hash(prepared)}, sort_keys=True)
    folder = run / f"pool-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    listed = folder / TEXTS
    if not listed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{TEXTS}.part"
        partial.write_text(json.dumps(choose_pool(prepared, pool), ensure_ascii=False), encoding="utf-8")
        partial.rename(listed)
    texts = json.loads(listed.read_text(encoding="utf-8"))
    others = [other for other in sorted(run.glob("pool-*")) if other != folder]
    return texts, label_texts(texts, teacher, folder, others, progress=progress)


def read_teacher(run: Path) -> tuple[dict[str, Any], TeacherConfig]:
    """The record of a trained teacher (score, data hash, commit) and its configuration."""
    path = run / "teacher.json"
    if not path.exists():
        raise TrainingError(f"{path} is missing: the teacher has not been trained. Run: bert-emotion model teacher")
    record = json.loads(path.read_text(encoding="utf-8"))
    config = record["config"]
    loop = LoopConfig(**config.pop("loop"))
    kept = {"encoder": Path(config["encoder"]).name, "max_length": config["max_length"], "loop": asdict(loop)}
    kept |= {key: record[key] for key in ("data_manifest_sha256", "commit", "best", "seconds")}
    return kept, TeacherConfig(**config, loop=loop)


def assistant_record(model: str) -> dict[str, Any]:
    """What a student's record says of a shipped model that taught it; keys as in ``read_teacher``."""
    manifest = read_manifest(find_model(model))
    return {
        "encoder": manifest["name"],
        "best": manifest["parity"]["int8_macro_f1"],
        "commit": manifest["training_commit"],
        "data_manifest_sha256": manifest["data_manifest_sha256"],
    }


def with_pool(sources: list[str], pool: PoolConfig) -> list[str]:
    """Sources of a model that learnt from a pool of texts after the named ones."""
    return list(dict.fromkeys([*sources, *(source for source, _ in pool.public), "unlabelled"]))


def with_public_labels(prepared: Path, texts: list[str], answers: np.ndarray, share: float) -> np.ndarray:
    """The teacher's answers to pool texts, float32 (n, 13), corrected by what people said of the public ones.

    A teacher that learnt from invented text calls a third of people's sincere thanks and praise sarcastic. Where a
    row of GoEmotions or BRIGHTER bears one label of ours, that gets `share`, 0-1, of the target, times the weight of
    the row (a foreign label that fits ours but half has 0.5); Neutral half of it, since annotators also chose it in
    doubt. Rows that were marked as literal are no Sarcasm.
    """
    neutral, sarcasm = LABELS.index("Neutral"), LABELS.index("Sarcasm")
    said: dict[str, tuple[int, float]] = {}
    literal: set[str] = set()
    for source in ("goemotions", "brighter"):
        table = read_table(prepared, source, "train").to_pydict()
        for text, label, weight in zip(table["text"], table["label"], table["weight"], strict=True):
            if label >= 0:
                said[text] = (label, share * weight * (0.5 if label == neutral else 1))
    for source in ("isarcasmeval", "mustard"):
        table = read_table(prepared, source, "train").to_pydict()
        literal.update(t for t, name in zip(table["text"], table["foreign"], strict=True) if name == "literal")
    out: np.ndarray = answers.copy()
    for i, text in enumerate(texts):
        if text in said:
            label, part = said[text]
            out[i] *= 1 - part
            out[i, label] += part
        elif text in literal:
            out[i, sarcasm] *= 1 - share
            out[i] /= out[i].sum()
    return out


def student_rows(
    prepared: Path, tokenizer: Tokenizer, texts: list[str], logits: np.ndarray, config: DistillConfig
) -> Rows:
    """Everything the student learns from: the pool, changed copies of the authored rows, emoji-only rows.

    Authored rows that the pool does not know (written since) come with their own labels alone; pool texts that
    have been held out since are left out.
    """
    rng = random.Random(config.loop.seed)
    soft = dict(zip(texts, softmax(logits, config.soft_temperature).astype(np.float32), strict=True))
    table = read_table(prepared, "authored", "train").to_pydict()
    own = soft_targets(table, NEAR_WEIGHT)
    for i, text in enumerate(table["text"]):
        if text in soft:
            own[i] = config.hard_share * own[i] + (1 - config.hard_share) * soft[text]
    aside, authored = held_out(prepared), set(table["text"])
    others = [text for text in texts if text not in authored and not aside.hit(normalise(text))]
    if config.pool_share < 1:
        others = rng.sample(others, round(config.pool_share * len(others)))
    answers = np.array([soft[text] for text in others], dtype=np.float32).reshape(-1, len(LABELS))  # others may be none
    if config.public_share:
        answers = with_public_labels(prepared, others, answers, config.public_share)
    every, targets = [*table["text"], *others], [own, answers]
    for _ in range(config.variants):
        every += [variant(t, label, rng) for t, label in zip(table["text"], table["label"], strict=True)]
        targets.append(own)
    emoji = emoji_only(rng, config.emoji_rows)
    every += [text for text, _ in emoji]
    targets.append(np.eye(len(LABELS), dtype=np.float32)[[label for _, label in emoji]])
    return Rows(token_ids(tokenizer, every), np.concatenate(targets), np.ones(len(every), dtype=np.float32))


def distill(
    prepared: Path,
    run: Path,
    out: Path,
    config: DistillConfig,
    pool: PoolConfig,
    texts: list[str],
    logits: np.ndarray,
    teacher: dict[str, Any],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a student and write its model folder; returns the training record.

    Args:
        prepared: output of the data step.
        run: folder for checkpoints.
        out: Hugging Face model folder to write.
        config: the recipe.
        pool: how the texts were chosen, for the record of sources.
        texts: the pool, authored rows first.
        logits: the teacher's answers for it.
        teacher: the teacher's record, kept in the student's.
        progress: see ``finetune.Progress``.
    """
    start = Path(config.start)
    model, _ = load_classifier(start)
    model, tokenizer_json = make_student(model, (start / "tokenizer.json").read_text(encoding="utf-8"), config.shape)
    tokenizer = Tokenizer.from_str(tokenizer_json)
    rows = student_rows(prepared, tokenizer, texts, logits, config)
    report = of_stage(progress, out.parent.name)
    mask_id = tokenizer.token_to_id("[MASK]")
    result = fit(model, rows, config.loop, run, dev_scorer(prepared, tokenizer), mask_id=mask_id, progress=report)
    sources, before = lineage(start)
    record = {
        "recipe": "distill",
        "sources": with_pool(sources, pool),
        "config": asdict(config),
        **provenance(prepared),
        "rows": len(rows.ids),
        "pool": len(texts),
        "teacher": teacher,
        "started_from": before,
        "result": result,
        "dev_macro_f1": result["best"],
    }
    save_classifier(model, tokenizer_json, out, longest_input(start))
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record

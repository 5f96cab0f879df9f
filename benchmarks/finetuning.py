"""``bert-emotion train`` beside the usual ways of learning from few rows, on the same rows and in one run.

``python benchmarks/finetuning.py [--rows 200 1000 10000] [--out reports/finetuning]``

Set: dair-ai/emotion (six labels, research only: nothing trained here is shipped). Every method sees the same
stratified rows of its training split and is scored on its 2,000 test rows:

- ours: the ``default`` preset from the default model;
- frozen + LR: frozen sentence embeddings (all-MiniLM-L6-v2, mean pooling) and a logistic regression, as SetFit's head;
- TF-IDF + LR: words and pairs of words, and a logistic regression.

Two more questions: does starting from the int8 file cost anything against the half-precision weights, and does
``--keep-emotions`` keep what the model knew.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from transformers import AutoModel

from bert_emotion import artifact
from bert_emotion.data.labelled import Labelled
from bert_emotion.data.prepare import read_table
from bert_emotion.evaluation.tables import markdown_table
from bert_emotion.labels import LABELS
from bert_emotion.training.encoder import DEFAULT_ENCODER, find_encoder, logits_of, own_tokenizer, pad, token_ids
from bert_emotion.training.own_data import PRESETS, TrainConfig, prepare, token_ids_of, train

PREPARED = Path("data/prepared")
SEED = 42


def labelled(source: str, split: str) -> Labelled:
    """A prepared set under its own label names."""
    table = read_table(PREPARED, source, split).to_pydict()
    given = table["foreign"] if source != "authored" else [LABELS[i] for i in table["label"]]
    return Labelled(table["text"], [(name,) for name in given], tuple(dict.fromkeys(given)), False)


def some(data: Labelled, count: int) -> Labelled:
    """That many rows, of every label its share."""
    rng = random.Random(SEED)
    by_label: dict[tuple[str, ...], list[int]] = {}
    for row, labels in enumerate(data.labels):
        by_label.setdefault(labels, []).append(row)
    chosen: list[int] = []
    for rows in by_label.values():
        rng.shuffle(rows)
        chosen += rows[: max(2, round(count * len(rows) / len(data)))]
    return data.take(chosen)


def score(test: Labelled, said: list[str]) -> dict[str, float]:
    """Accuracy and macro-F1 of label names."""
    truth = [one for (one,) in test.labels]
    return {
        "accuracy": float(np.mean([a == b for a, b in zip(truth, said, strict=True)])),
        "macro_f1": float(f1_score(truth, said, average="macro", labels=sorted(set(truth)), zero_division=0)),
    }


def ours(rows: Labelled, base: str | None = None, config: TrainConfig = PRESETS["default"]) -> Callable:
    """The default preset; returns a function from texts to label names."""
    with tempfile.TemporaryDirectory() as run:
        prepared = prepare(rows, None, base, config)
        train(prepared, config, Path(run))
    names = prepared.train.names
    return lambda texts: [names[i] for i in logits_of(prepared.model, token_ids_of(prepared, texts)).argmax(1)]


@torch.inference_mode()
def embeddings(texts: list[str]) -> np.ndarray:
    """Mean-pooled sentence embeddings of unit length, float32 (n, 384)."""
    encoder = AutoModel.from_pretrained(find_encoder(DEFAULT_ENCODER)).eval()
    ids = token_ids(own_tokenizer(DEFAULT_ENCODER, 128), texts)
    out = []
    for start in range(0, len(ids), 64):
        input_ids, mask = pad(ids[start : start + 64])
        hidden = encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state * mask.unsqueeze(-1)
        mean = hidden.sum(1) / mask.sum(1, keepdim=True)
        out.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
    return np.concatenate(out)


def frozen(rows: Labelled) -> Callable:
    """Logistic regression on frozen embeddings."""
    head = LogisticRegression(max_iter=2000, C=10).fit(embeddings(rows.texts), [one for (one,) in rows.labels])
    return lambda texts: list(head.predict(embeddings(texts)))


def tfidf(rows: Labelled) -> Callable:
    """Logistic regression on words and pairs of words."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=2000, C=10)
    )
    model.fit(rows.texts, [one for (one,) in rows.labels])
    return lambda texts: list(model.predict(texts))


METHODS: dict[str, Callable[[Labelled], Callable]] = {
    "ours, default preset": ours,
    "frozen embeddings + LR": frozen,
    "TF-IDF + LR": tfidf,
}


def by_size(sizes: list[int]) -> list[dict]:
    """Every method at every size."""
    every, test, out = labelled("dair_emotion", "train"), labelled("dair_emotion", "test"), []
    for size in sizes:
        rows = some(every, size)
        for name, method in METHODS.items():
            start = time.perf_counter()
            answer = method(rows)
            seconds = time.perf_counter() - start
            out.append({"rows": len(rows), "method": name, "seconds": seconds, **score(test, answer(test.texts))})
            print(out[-1], flush=True)
    return out


def starts(size: int) -> list[dict]:
    """The same rows from the half-precision weights and from the int8 file of the same model."""
    rows, test, out = some(labelled("dair_emotion", "train"), size), labelled("dair_emotion", "test"), []
    folder = artifact.find_model(None)
    with tempfile.TemporaryDirectory() as scratch:
        int8 = Path(scratch) / folder.name
        shutil.copytree(folder, int8, ignore=shutil.ignore_patterns("*.safetensors"))
        for name, base in (("half-precision weights", str(folder)), ("int8 file", str(int8))):
            for seed in (42, 43, 44):
                answer = ours(rows, base, dataclasses.replace(PRESETS["default"], seed=seed))
                out.append({"start": name, "seed": seed, **score(test, answer(test.texts))})
                print(out[-1], flush=True)
    return out


def kept(size: int) -> list[dict]:
    """The 13 emotions before and after training on rows of only three of them, with and without the mixed-in rows."""
    test = labelled("authored", "test")
    few = labelled("authored", "dev")
    three = ("Anger", "Fear", "Happiness")
    few = few.take(i for i, (label,) in enumerate(few.labels) if label in three)
    few = some(dataclasses.replace(few, names=three), size)
    # without the mixed-in rows, but with all 13 outputs: what a plain fine-tuning of the model does
    out = []
    for name, keep in (("plain", False), ("--keep-emotions", True)):
        rows = few if keep else dataclasses.replace(few, names=LABELS)
        answer = ours(rows, None, dataclasses.replace(PRESETS["default"], keep_emotions=keep))
        out.append({"training": name, **score(test, answer(test.texts))})
        print(out[-1], flush=True)
    from bert_emotion import EmotionClassifier

    before = [p.label for p in EmotionClassifier().predict(test.texts)]
    return [{"training": "before", **score(test, before)}, *out]


def main() -> None:
    """Measure and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[200, 1000, 10_000])
    parser.add_argument("--out", type=Path, default=Path("reports/finetuning"))
    asked = parser.parse_args()
    figures = {
        "model": artifact.find_model(None).name,
        "kept": kept(300),
        "starts": starts(500),
        "by_size": by_size(asked.rows),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (asked.out / "README.md").write_text(render(figures), encoding="utf-8")


def render(figures: dict) -> str:
    """The tables in Markdown."""
    sizes = list(dict.fromkeys(row["rows"] for row in figures["by_size"]))
    cells = {(row["rows"], row["method"]): row for row in figures["by_size"]}
    table = [
        [
            method,
            *(
                f"{cells[size, method]['macro_f1']:.3f} / {cells[size, method]['accuracy']:.3f} "
                f"in {cells[size, method]['seconds']:.0f} s"
                for size in sizes
            ),
        ]
        for method in METHODS
    ]
    start: dict[str, list[float]] = {}
    for row in figures["starts"]:
        start.setdefault(row["start"], []).append(row["macro_f1"])
    return (
        "\n\n".join(
            [
                "<!-- written by `python benchmarks/finetuning.py` -->\n# Fine-tuning on few rows",
                f"Starting from `{figures['model']}`. dair-ai/emotion, six labels, macro-F1 / accuracy on its test "
                "split and the time of training on one core of a busy machine (compare times with each other only).",
                markdown_table(["method", *(f"{size} rows" for size in sizes)], table),
                "## From the int8 file or from the half-precision weights\n\n500 rows, macro-F1 of three seeds:",
                markdown_table(
                    ["start", "mean", "seeds"],
                    [[n, f"{np.mean(v):.4f}", ", ".join(f"{x:.4f}" for x in v)] for n, v in start.items()],
                ),
                "## Does a small set wipe out what the model knew?\n\n300 rows of three of the 13 emotions; all 13 on "
                "the authored test split:",
                markdown_table(
                    ["training", "macro-F1", "accuracy"],
                    [[r["training"], f"{r['macro_f1']:.3f}", f"{r['accuracy']:.3f}"] for r in figures["kept"]],
                ),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    main()

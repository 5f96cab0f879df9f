"""One text a run against padded batches of like length: texts per second, and how far the scores move.

Run: ``python benchmarks/batching.py [MODEL]``. This is the measurement behind the runtime's choice of
running every text alone.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from bert_emotion.classifier import EmotionClassifier
from bert_emotion.evaluation.bench_child import texts

COUNT = 2000


def main() -> None:
    """Print one line a batch size, taken in turns with single runs."""
    classifier = EmotionClassifier(sys.argv[1] if len(sys.argv) > 1 else None)
    tokenizer, engine = classifier._tokenizer, classifier._engine
    rows = [[tokenizer.cls, *tokenizer.encode(t).ids, tokenizer.sep] for t in texts(COUNT)]
    order = sorted(range(COUNT), key=lambda i: len(rows[i]))

    def run(batch: int) -> tuple[float, np.ndarray]:
        logits = np.zeros((COUNT, len(classifier.labels)))
        start = time.perf_counter()
        for first in range(0, COUNT, batch):
            chosen = order[first : first + batch]
            width = max(len(rows[i]) for i in chosen)
            ids = np.zeros((len(chosen), width), dtype=np.int64)
            mask = np.zeros_like(ids)
            for line, i in enumerate(chosen):
                ids[line, : len(rows[i])] = rows[i]
                mask[line, : len(rows[i])] = 1
            logits[chosen] = engine(ids, mask)
        taken = time.perf_counter() - start
        exp = np.exp(logits / classifier.config.temperature)
        return COUNT / taken, exp / exp.sum(axis=1, keepdims=True)

    print("| batch | texts/s | against alone | largest score change |\n|---|---|---|---|")
    for batch in (1, 8, 32, 64):
        before, reference = run(1)
        speed, scores = run(batch)
        after, _ = run(1)
        alone = (before + after) / 2
        print(f"| {batch} | {speed:.0f} | {speed / alone:.2f} | {np.abs(scores - reference).max():.4f} |")


if __name__ == "__main__":
    main()

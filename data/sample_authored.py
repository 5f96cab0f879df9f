"""Write the two samples of the authored text that the package carries: ``python data/sample_authored.py``.

``export/parity.jsonl``: 50 development texts of each label, for the parity check of exports.
``training/kept.jsonl``: 130 training texts of each label, for ``bert-emotion train --keep-emotions``.
Reads what ``bert-emotion data prepare`` wrote.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq

from bert_emotion.labels import LABELS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "bert_emotion"


def sample(split: str, per_label: int, path: Path) -> None:
    """Write that many agreed texts of each label of a split."""
    rng = random.Random(13)
    rows = pq.read_table(ROOT / "data" / "prepared" / "authored.parquet").to_pylist()
    chosen = []
    for label, name in enumerate(LABELS):
        fitting = [
            r["text"] for r in rows if r["split"] == split and r["label"] == label and r["second"] in ("agree", "")
        ]
        chosen += [{"text": text, "label": name} for text in rng.sample(sorted(fitting), per_label)]
    rng.shuffle(chosen)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen), encoding="utf-8")


if __name__ == "__main__":
    sample("dev", 50, PACKAGE / "export" / "parity.jsonl")
    sample("train", 130, PACKAGE / "training" / "kept.jsonl")

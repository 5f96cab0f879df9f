"""LiteRT beside onnxruntime on the same model: start, latency, memory and size, each in fresh processes.

Run: ``python benchmarks/litert.py [MODEL]`` (extras ``export`` and ``litert``). The two take turns on one thread, so
that the ratios hold on a busy machine too.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bert_emotion import artifact
from bert_emotion.evaluation.tables import markdown_table
from bert_emotion.export.deliver import export

ROUNDS = 5
CALLS = 300
TEXTS = 1000
ROWS = (
    ("start_s", "fresh process to first answer, s"),
    ("peak_mib", "peak RSS, one answer, MiB"),
    ("p50_ms", "p50 of one short text, ms"),
    ("text_ms", f"mean of {TEXTS} texts of all lengths, ms"),
    ("size_mb", "size on disk, MB"),
)


def child(job: str, folder: Path, count: int) -> dict[str, float]:
    """Figures of one fresh process on one thread, with its wall time."""
    command = [sys.executable, "-m", "bert_emotion.evaluation.bench_child", "ours", job, str(folder), str(count)]
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return {**json.loads(done.stdout.splitlines()[-1]), "start_s": time.perf_counter() - start}


def measure(folder: Path) -> dict[str, float]:
    """One round of one runtime."""
    figures = child("first", folder, 1)
    figures["p50_ms"] = child("latency", folder, CALLS)["p50_ms"]
    figures["text_ms"] = 1e3 / child("throughput", folder, TEXTS)["texts_per_s"]
    config = artifact.load_config(folder)
    files = (config.network_path, config.tokenizer_path, folder / artifact.CONFIG, folder / artifact.MANIFEST)
    figures["size_mb"] = sum(path.stat().st_size for path in files) / 1e6
    return figures


def main() -> None:
    """Print the medians of the rounds as a table."""
    model = artifact.find_model(sys.argv[1] if len(sys.argv) > 1 else None)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"onnxruntime": model, "LiteRT": Path(scratch) / model.name}
        export(model, "litert", folders["LiteRT"])
        rounds = {name: [measure(folder)] for name, folder in folders.items()}  # warms the disk cache
        for _ in range(ROUNDS):
            for name, folder in folders.items():
                rounds[name].append(measure(folder))
    rows = []
    for key, title in ROWS:
        here, there = (statistics.median(figures[key] for figures in kept[1:]) for kept in rounds.values())
        rows.append([title, f"{here:.3g}", f"{there:.3g}", f"{there / here:.2f}"])
    print(markdown_table([model.name, *folders, "LiteRT / onnxruntime"], rows))


if __name__ == "__main__":
    main()

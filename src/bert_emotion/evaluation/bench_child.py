"""What a benchmark process runs: one runtime, one job, JSON on stdout. Started by ``benchmark.measure``.

Usage: ``python -m bert_emotion.evaluation.bench_child RUNTIME JOB FOLDER TEXTS``
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Everyday texts of 4 to 25 words, as the throughput run cycles through them.
SENTENCES = (
    "i love you",
    "The meeting is moved to three on Thursday.",
    "I can't believe they cancelled it again, what a joke.",
    "omg I got the job!!! 🎉",
    "I keep thinking about what I said to her and I feel terrible.",
    "Could you send me the address of the new office please?",
    "My hands are shaking, the results come tomorrow.",
    "That soup had a hair in it and something was moving.",
    "I'd give anything for a week by the sea right now.",
    "Wait, so do I press the green button or the red one first?",
    "Everyone saw me trip on the stairs and I wanted to disappear.",
    "Great, another update that breaks everything. Just what I needed today.",
    "Grandma hugged me for a whole minute and I did not want to let go 🥰",
    "It has been a year since he died and the house is still too quiet in the evenings.",
    "I had no idea you two knew each other, since when?!",
    "The parcel arrived on Tuesday and I put it on the shelf next to the printer, as you asked me to do last week.",
)
LATENCY_TEXT = "I can't believe you remembered my birthday, thank you!"


def texts(count: int) -> list[str]:
    """`count` short texts; each carries its number, so that no two are the same."""
    return [f"{SENTENCES[i % len(SENTENCES)]} {i}" for i in range(count)]


def load(runtime: str, folder: Path) -> Callable[[Any], Any]:
    """A callable with the pipeline's interface, on one thread."""
    if runtime == "pipeline":
        import torch
        from transformers import pipeline
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        torch.set_num_threads(1)
        classify = pipeline("text-classification", model=str(folder), device="cpu", dtype=torch.float32)
        return lambda inputs: classify(inputs, batch_size=1 if isinstance(inputs, str) else 32)
    from bert_emotion import EmotionClassifier

    return EmotionClassifier(folder)


def peak_mib() -> float:
    """Peak resident memory of this process in MiB."""
    try:
        # VmHWM starts at exec; ru_maxrss would still hold the parent's peak
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1024)


def run(runtime: str, job: str, folder: Path, count: int) -> dict[str, float]:
    """Do one job: ``first`` answer, ``latency`` of one short text, or ``throughput`` over `count` texts."""
    classify = load(runtime, folder)
    if job == "first":
        classify(LATENCY_TEXT)
        return {"peak_mib": peak_mib()}
    if job == "latency":
        for _ in range(20):
            classify(LATENCY_TEXT)
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            classify(LATENCY_TEXT)
            taken.append(time.perf_counter() - start)
        taken.sort()
        return {"p50_ms": 1e3 * taken[len(taken) // 2], "p99_ms": 1e3 * taken[int(len(taken) * 0.99)]}
    batch = texts(count)
    classify(batch[:64])
    start = time.perf_counter()
    classify(batch)
    return {"texts_per_s": count / (time.perf_counter() - start), "peak_mib_batch": peak_mib()}


if __name__ == "__main__":
    figures = run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps(figures) + "\n")

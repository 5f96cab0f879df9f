"""Speed, memory and size of the runtime, side by side with the transformers pipeline on the same weights.

Every figure comes from fresh processes on one thread, the two runtimes taking turns, so that the ratios hold
on a busy machine too; absolute times are those of the machine named in the report.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bert_emotion import artifact
from bert_emotion.errors import BertEmotionError, ModelError, require
from bert_emotion.evaluation.tables import markdown_table

ROUNDS = 3
LATENCY_CALLS = 300
_LIBRARIES = ("bert-emotion", "onnxruntime", "tokenizers", "numpy", "torch", "transformers")
_ROWS = (
    ("p50_ms", "p50 of one short text, ms", -1),
    ("p99_ms", "p99 of one short text, ms", -1),
    ("texts_per_s", "texts/s, {texts} short texts", 1),
    ("start_s", "fresh process to first answer, s", -1),
    ("peak_mib", "peak RSS, one answer, MiB", -1),
    ("peak_mib_batch", "peak RSS, {texts} texts, MiB", -1),
    ("size_mb", "size on disk, MB", -1),
)


def child(runtime: str, job: str, folder: Path, count: int) -> tuple[dict[str, float], float]:
    """Figures that a child process printed, and its wall time in seconds."""
    command = [sys.executable, "-m", "bert_emotion.evaluation.bench_child", runtime, job, str(folder), str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    wall = time.perf_counter() - start
    if done.returncode != 0:
        raise BertEmotionError(f"the {runtime} {job} process failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1]), wall


def _size_mb(folder: Path, runtime: str) -> float:
    files = artifact.RUNTIME_FILES if runtime == "ours" else ("config.json", "tokenizer.json", "model.safetensors")
    return sum((folder / file).stat().st_size for file in files) / 1e6


def measure(
    model: str | Path | None,
    *,
    with_pipeline: bool = False,
    texts: int = 10_000,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the benchmark.

    Args:
        model: as for ``EmotionClassifier``.
        with_pipeline: measure the transformers pipeline too; needs ``model.safetensors`` in the folder.
        texts: texts of the throughput run.
        say: called with one line a step.

    Returns:
        ``{"machine", "versions", "model", "texts", "runtimes": {name: figures}, "ratios"}``; a ratio says how
        many times better ours is.
    """
    folder = artifact.find_model(model)
    runtimes = ["ours"]
    if with_pipeline:
        require("torch", "bench")
        require("transformers", "bench")
        if not (folder / "model.safetensors").exists():
            raise ModelError(
                f"{folder} has no model.safetensors (the wheel leaves it out): use the repository's folder."
            )
        runtimes.append("pipeline")
    samples: dict[str, dict[str, list[float]]] = {name: {} for name in runtimes}

    def note(name: str, figures: dict[str, float]) -> None:
        for key, value in figures.items():
            samples[name].setdefault(key, []).append(value)

    for name in runtimes:
        child(name, "first", folder, 1)  # warms the disk cache for both alike
    for turn in range(ROUNDS):
        say(f"round {turn + 1} of {ROUNDS}")
        for name in runtimes:
            figures, wall = child(name, "first", folder, 1)
            note(name, {**figures, "start_s": wall})
            note(name, child(name, "latency", folder, LATENCY_CALLS)[0])
    for name in runtimes:
        say(f"{texts} texts: {name}")
        note(name, child(name, "throughput", folder, texts)[0])
        note(name, {"size_mb": _size_mb(folder, name)})
    medians = {name: {key: statistics.median(values) for key, values in kept.items()} for name, kept in samples.items()}
    ratios = {}
    if with_pipeline:
        for key, _, direction in _ROWS:
            ratios[key] = (medians["ours"][key] / medians["pipeline"][key]) ** direction
    return {
        "machine": machine(),
        "versions": versions(),
        "model": folder.name,
        "texts": texts,
        "runtimes": medians,
        "ratios": ratios,
    }


def machine() -> str:
    """Processor, cores, system and Python of this machine, in one line."""
    name, kind = platform.processor() or platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
            elif line.startswith("flags"):
                # int8 runs several times faster with these instructions: a figure means little without saying so
                kind = " with VNNI" if "vnni" in line else " without VNNI"
                break
    except OSError:
        pass
    system = f"{platform.system()} {platform.machine()}"
    return f"{name}{kind}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Versions of the libraries that matter for speed, where they are installed."""
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def render(figures: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    names = list(figures["runtimes"])
    titles = {"ours": "bert-emotion", "pipeline": "transformers pipeline"}
    head = [figures["model"], *(titles[name] for name in names), *(["times better"] if figures["ratios"] else [])]
    rows = []
    for key, title, _ in _ROWS:
        cells = [title.format(texts=figures["texts"])]
        cells += [f"{figures['runtimes'][name][key]:.3g}" for name in names]
        rows.append(cells + ([f"{figures['ratios'][key]:.1f}"] if figures["ratios"] else []))
    libraries = ", ".join(f"{k} {v}" for k, v in figures["versions"].items())
    return f"{markdown_table(head, rows)}\n\nOne thread. {figures['machine']}. {libraries}."

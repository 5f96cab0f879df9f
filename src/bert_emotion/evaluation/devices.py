"""``reports/devices``: every route to a device for every size, measured on one machine: bytes, speed, memory, parity.

What has no device here (a Raspberry Pi, an ESP32-S3) is estimated from counts and says so.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bert_emotion import artifact
from bert_emotion.errors import BertEmotionError
from bert_emotion.evaluation.bench_child import LATENCY_TEXT, SENTENCES
from bert_emotion.evaluation.benchmark import LATENCY_CALLS, child, machine, versions
from bert_emotion.evaluation.tables import markdown_table
from bert_emotion.export import to_c
from bert_emotion.export.c_cortex import measure_cortex_m
from bert_emotion.export.c_weights import read_weights
from bert_emotion.export.deliver import export
from bert_emotion.export.source import read_source

ROUTES = ("onnx-int8", "litert", "litert-micro", "c", "web")
SMALL_ROUTES = ("litert-micro", "c")
"""Routes for microcontrollers: measured for models up to ``SMALL_MB``."""
SMALL_MB = 5.0
LATENCY_RUNS = 3
"""Processes whose median latency is given: one alone can meet a busy moment."""
CORTEX_TEXTS = 8
HOST_TEXTS = 200

# Products of 8-bit numbers a second that one core can be expected to do: clock, products a cycle at best, and the
# share of it that small matrices reach here and elsewhere.
BOARDS: dict[str, tuple[float, float]] = {
    "Raspberry Pi 5 (Cortex-A76, 2.4 GHz)": (2.4e9, 32),
    "Raspberry Pi 4 (Cortex-A72, 1.5 GHz)": (1.5e9, 8),
    "Raspberry Pi Zero 2 W (Cortex-A53, 1.0 GHz)": (1.0e9, 8),
}
REACHED = (0.15, 0.4)
MICROCONTROLLERS: dict[str, float] = {"Cortex-M7 at 480 MHz (STM32H7)": 480e6, "ESP32-S3 at 240 MHz": 240e6}
CYCLES_PER_INSTRUCTION = (1.0, 2.5)


def measure_devices(models: Sequence[str], say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Export every model by every route and measure what can be measured here.

    Args:
        models: shipped names or folders.
        say: called with one line a step.

    Returns:
        ``{"machine", "versions", "rows": [{"model", "route", "bytes", …} or {"model", "route", "failed"}],
        "estimates": [{"model", "device", "ms": (least, most)}]}``
    """
    figures: dict[str, Any] = {"machine": machine(), "versions": versions(), "rows": [], "estimates": []}
    for model in models:
        folder = artifact.find_model(model)
        small = sum((folder / file).stat().st_size for file in artifact.RUNTIME_FILES) / 1e6 <= SMALL_MB
        with tempfile.TemporaryDirectory() as scratch:
            for route in ROUTES:
                if route in SMALL_ROUTES and not small:
                    continue
                say(f"{folder.name}: {route}")
                row: dict[str, Any] = {"model": folder.name, "route": route}
                try:
                    row |= _route(folder, route, Path(scratch) / route)
                except (BertEmotionError, OSError) as error:
                    row["failed"] = " ".join(str(error).split())[:200]
                figures["rows"].append(row)
        figures["estimates"] += _estimates(folder, figures["rows"], small=small)
    return figures


def _route(folder: Path, route: str, out: Path) -> dict[str, Any]:
    start = time.perf_counter()
    manifest = export(folder, route, out)
    facts, parity = manifest["facts"], manifest["parity"]
    row: dict[str, Any] = {
        "bytes": sum(entry["size"] for file, entry in manifest["files"].items() if file != "README.md"),
        "equal_labels": parity["equal_labels"],
        "max_probability_difference": parity["max_probability_difference"],
        "macro_f1_loss": parity["macro_f1_loss"],
        "max_length": parity["max_length"],
        "export_s": round(time.perf_counter() - start, 1),
    }
    if route in ("onnx-int8", "litert"):
        first, wall = child("ours", "first", out, 1)
        row |= {"memory_bytes": round(first["peak_mib"] * 2**20), "start_s": round(wall, 3)}
        taken = [child("ours", "latency", out, LATENCY_CALLS)[0]["p50_ms"] for _ in range(LATENCY_RUNS)]
        row["p50_ms"] = round(statistics.median(taken), 3)
    elif route == "litert-micro":
        row["memory_bytes"] = facts["int16"]["arena_bytes"]
        row["bytes"] = facts["int16"]["bytes"] + facts["embedding_bytes"]
        row["int8"] = facts["int8"]
    elif route == "c":
        row["bytes"] = sum(facts[part] or 0 for part in ("weights_bytes", "vocabulary_bytes", "unicode_bytes"))
        row["memory_bytes"] = facts["workspace_bytes"]
        row["code_bytes"] = facts["code_bytes"]
        row["p50_ms"] = _host_ms(out)
        try:
            texts = [*SENTENCES[: CORTEX_TEXTS - 1], LATENCY_TEXT]
            row["cortex_m7"] = measure_cortex_m(read_source(folder), out, texts)
        except BertEmotionError as error:
            row["cortex_m7_failed"] = str(error)[:200]
    return row


def _host_ms(folder: Path) -> float:
    """Mean ms of a short text in the C program, start-up taken off by a run of half as many texts; median of runs."""
    with tempfile.TemporaryDirectory() as scratch:
        program = to_c.compile_host(folder, Path(scratch) / "emotion")

        def seconds(count: int) -> float:
            start = time.perf_counter()
            to_c.ask(program, "logits", [LATENCY_TEXT] * count)
            return time.perf_counter() - start

        taken = [seconds(HOST_TEXTS) - seconds(HOST_TEXTS // 2) for _ in range(LATENCY_RUNS)]
    return round(1e3 * statistics.median(taken) / (HOST_TEXTS // 2), 3)


def _estimates(folder: Path, rows: list[dict[str, Any]], *, small: bool) -> list[dict[str, Any]]:
    """Expected time of one short text on boards that are not here."""
    source = read_source(folder)
    tokens = len(source.ids(LATENCY_TEXT))
    products = to_c.multiplications(read_weights(source.model, to_c.pieces_of(source).ids, tokens), tokens)
    out: list[dict[str, Any]] = []
    for device, (clock, a_cycle) in BOARDS.items():
        times = [1e3 * products / (clock * a_cycle * share) for share in REACHED]
        out.append({"model": folder.name, "device": device, "products": products, "ms": sorted(times)})
    counted = [r["cortex_m7"] for r in rows if r["model"] == folder.name and "cortex_m7" in r]
    if small and counted:
        for device, clock in MICROCONTROLLERS.items():
            asked = counted[0]["instructions_per_text"]
            times = [1e3 * asked * cycles / clock for cycles in CYCLES_PER_INSTRUCTION]
            out.append({"model": folder.name, "device": device, "instructions": asked, "ms": sorted(times)})
    return out


def joined(figures: dict[str, Any], out: Path, models: Sequence[str]) -> dict[str, Any]:
    """`figures` with what `out` holds of the other `models`, if it was measured on this machine and these versions."""
    path = out / "devices.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if any(before.get(key) != figures[key] for key in ("machine", "versions")):
        return figures
    others = set(models) - {row["model"] for row in figures["rows"]}
    parts = {
        part: sorted(
            [*(r for r in before[part] if r["model"] in others), *figures[part]], key=lambda r: str(r["model"])
        )
        for part in ("rows", "estimates")
    }
    return figures | parts


def write_devices(figures: dict[str, Any], out: Path) -> None:
    """Write ``devices.json`` and ``README.md`` into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "devices.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(render_devices(figures), encoding="utf-8")


def render_devices(figures: dict[str, Any]) -> str:
    """The tables in Markdown."""
    rows, cortex, failed = [], [], []
    for row in figures["rows"]:
        if "failed" in row:
            failed.append(f"- {row['model']}, {row['route']}: {row['failed']}")
            continue
        rows.append(
            [
                row["model"],
                f"`{row['route']}`",
                f"{row['bytes'] / 1e6:.2f}",
                f"{row['p50_ms']:.2f}" if "p50_ms" in row else "-",
                _memory(row.get("memory_bytes")),
                f"{row['equal_labels']:.1%}",
                f"{row['max_probability_difference']:.3f}",
                f"{row['macro_f1_loss']:.4f}",
            ]
        )
        if "cortex_m7" in row:
            c = row["cortex_m7"]
            cortex.append(
                [
                    row["model"],
                    f"{c['code_bytes']:,}",
                    f"{c['flash_bytes']:,}",
                    f"{c['workspace_bytes']:,}",
                    f"{c['instructions_per_text'] / 1e6:.1f} M",
                    f"{c['max_logit_difference']:.1e}",
                ]
            )
    head = ["model", "route", "MB", "ms a text", "memory", "labels kept", "largest change", "macro-F1 loss"]
    parts = [
        "<!-- written by `bert-emotion model devices` -->\n# Every route to a device",
        "MB: what the device must hold (the whole exported folder; for `c` and `litert-micro` weights and vocabulary). "
        f"ms: one short text on one core of this machine, the median of {LATENCY_RUNS} runs. Memory: peak of a fresh "
        "Python process, or the arena and the static workspace of the microcontroller routes. The last three columns "
        "compare 650 texts with the float32 model (for models whose float32 weights are not shipped: with their int8 "
        "weights read back).",
        markdown_table(head, rows),
        f"{figures['machine']}. {', '.join(f'{k} {v}' for k, v in figures['versions'].items())}.",
    ]
    if cortex:
        head = ["model", "code, bytes", "flash, bytes", "workspace, bytes", "instructions a text", "logits differ by"]
        parts += ["## On an emulated Cortex-M7 (qemu, mps2-an500)", markdown_table(head, cortex)]
    parts += [
        "## Estimates, not measurements",
        f"Nothing below ran on the device. Boards with Linux: products of the network for one short text, at "
        f"{REACHED[0]:.0%} to {REACHED[1]:.0%} of what the core could do at best. Microcontrollers: counted Cortex-M7 "
        f"instructions at {CYCLES_PER_INSTRUCTION[0]:g} to {CYCLES_PER_INSTRUCTION[1]:g} cycles each; slow flash can "
        "cost more, vector instructions of the ESP32-S3 are not used.",
        markdown_table(
            ["model", "device", "ms a text"],
            [[e["model"], e["device"], f"{e['ms'][0]:.1f} to {e['ms'][1]:.1f}"] for e in figures["estimates"]],
        ),
    ]
    if failed:
        parts += ["## Not measured", "\n".join(failed)]
    return "\n\n".join(parts) + "\n"


def _memory(count: int | None) -> str:
    if count is None:
        return "-"
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count / 1024:.0f} KiB"

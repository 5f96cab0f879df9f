"""Write every generated passage of the documentation, or check that none has drifted.

``python docs/generate.py`` writes, ``--check`` fails on drift. A passage stands between
``<!-- generated: NAME -->`` and ``<!-- end -->``. Figures come from the shipped model's manifest and from
``reports/<model>/benchmark.json`` (written by ``bert-emotion bench --pipeline --out …``).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bert_emotion import EmotionClassifier, artifact
from bert_emotion.evaluation.benchmark import render
from bert_emotion.evaluation.tables import markdown_table, results_table
from bert_emotion.export.card import runtime_megabytes
from bert_emotion.training.lineage import identity

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "MODELS.md", "docs/cli.md", "docs/model.md", "docs/training.md")
COMMANDS = (
    "predict", "train", "evaluate", "compare", "export", "demo", "info", "verify", "report", "bench",
    "data download", "data prepare",
    "model train", "model teacher", "model distill", "model package", "model benchmark",
)  # fmt: skip
_PASSAGE = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

MODEL = artifact.find_model(None)
MANIFEST = artifact.read_manifest(MODEL)
REPORT = ROOT / "reports" / MODEL.name / "benchmark.json"


def _benchmark() -> dict:
    return json.loads(REPORT.read_text(encoding="utf-8"))


def _command(*arguments: str, stdin: str = "") -> str:
    environment = {"COLUMNS": "110", "TERM": "dumb", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    program = Path(sys.executable).with_name("bert-emotion")
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, check=True, env=environment, cwd=ROOT
    )
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())


def headline() -> str:
    """The one line of figures."""
    test, figures = MANIFEST["metrics"]["authored test"], _benchmark()
    p50 = figures["runtimes"]["ours"]["p50_ms"]
    machine = figures["machine"].partition(",")[0]
    return (
        f"**{runtime_megabytes(MANIFEST):.1f} MB · {p50:.1f} ms per short text on one core ({machine}) · macro-F1 "
        f"{test['macro_f1']:.3f} over 13 labels on {test['rows']} held-out texts · "
        f"{MANIFEST['examples_passed']} of the 13 example sentences**"
    )


def first_run() -> str:
    """The command line and the API with what they print."""
    said = _command("predict", stdin="nobody came to my birthday\n")
    [prediction] = EmotionClassifier().predict(["i love you"])
    shown = f"{prediction!r}"
    shown = re.sub(r"score=([0-9.]+)", lambda m: f"score={float(m.group(1)):.3f}", shown)
    return (
        f'```console\n$ echo "nobody came to my birthday" | bert-emotion\n{said}\n```\n\n'
        "```python\nfrom bert_emotion import EmotionClassifier\n\nclassify = EmotionClassifier()\n"
        f'classify.predict(["i love you"])[0]\n# {shown}\n```'
    )


def examples() -> str:
    """The 13 example sentences."""
    return "```console\n$ bert-emotion evaluate --examples\n" + _command("evaluate", "--examples") + "\n```"


def results() -> str:
    """One line a held-out set."""
    return results_table(MANIFEST["metrics"])


def ladder() -> str:
    """One line a shipped model."""
    rows = []
    routes = json.loads((ROOT / "reports" / "devices" / "devices.json").read_text(encoding="utf-8"))["rows"]
    # all sizes on one machine: figures of different machines do not stand in one column
    measured = {row["model"]: row for row in routes if row["route"] == "onnx-int8" and "failed" not in row}
    size = {name: artifact.read_manifest(artifact.SHIPPED / name)["parameters"] for name in artifact.shipped_models()}
    for name in sorted(size, key=lambda model: size[model]):
        manifest = artifact.read_manifest(artifact.SHIPPED / name)
        ours = measured.get(name, {})
        test, long = (manifest["metrics"][key] for key in ("authored test", "authored test (long texts)"))
        rows.append(
            [
                f"`{name}`" + (" (default)" if name == artifact.DEFAULT_MODEL else ""),
                f"{manifest['parameters'] / 1e6:.1f} M",
                f"{runtime_megabytes(manifest):.1f}",
                f"{ours['p50_ms']:.2f}" if ours else "-",
                f"{ours['memory_bytes'] / 2**20:.0f}" if ours else "-",
                f"{test['macro_f1']:.3f} ({test['macro_f1_95'][0]:.3f}-{test['macro_f1_95'][1]:.3f})",
                f"{long['accuracy']:.3f}",
                f"{manifest['examples_passed']}/13",
            ]
        )
    head = ["model", "parameters", "MB", "ms per text", "peak MiB", "macro-F1 (95 %)", "long texts", "examples"]
    return markdown_table(head, rows)


def steps() -> str:
    """What each step of the recipes gave, on the authored dev rows; what several models share stands once."""
    rows: list[list[str]] = []
    for name in ("base", "small", "mini", "nano"):
        folder = artifact.find_model(name)
        chain = [json.loads((folder / "training.json").read_text(encoding="utf-8"))]
        while "started_from" in chain[-1]:
            chain.append(chain[-1]["started_from"])
        mine: list[list[str]] = []
        for stage, result in chain[-1].get("stages", {}).items():
            mine.append([f"L6-H384 fine-tuned, {stage.replace('-', ' ')}", "", f"{result['best']:.3f}"])
        ordered: list[dict[str, Any]] = []
        for step in reversed(chain[:-1]):
            # what a mean was made of stands before it, once
            known = {identity(part) for part in ordered}
            ordered += [part for part in (*step.get("averaged_with", ()), step) if identity(part) not in known]
        for step in ordered:
            if step["recipe"] == "average":
                shares = " : ".join(f"{share:.2f}" for share in step["config"]["shares"])
                models = f"the mean of {len(step['config']['models'])} of these, {shares}"
                mine.append([models, "", f"{step['dev_macro_f1']:.3f}"])
                continue
            teacher, epochs = step["teacher"], f"{step['config']['loop']['epochs']:g}"
            if step["recipe"] == "match":
                mine.append([f"matched to {teacher['encoder']}'s states", epochs, f"{step['dev_macro_f1']:.3f}"])
                continue
            kept = {k: v if isinstance(v, int) else len(v) for k, v in step["config"]["shape"].items() if v is not None}
            words = {"layers": "{} layers", "hidden": "{} wide", "heads": "{} heads", "vocabulary": "{:,} pieces"}
            shape = ", ".join(text.format(kept[key]) for key, text in words.items() if key in kept)
            if teacher["encoder"].startswith("all-"):
                mine.append([f"the teacher, {teacher['encoder']} (not shipped)", "", f"{teacher['best']:.3f}"])
            labels = ", with people's labels of public rows" if step["config"].get("public_share") else ""
            hidden = f", {step['config']['loop']['masked']:.0%} masked" if step["config"]["loop"].get("masked") else ""
            what = f"{shape or 'the same shape'}, taught by {teacher['encoder']}{hidden}{labels}"
            mine.append([what, epochs, f"{step['dev_macro_f1']:.3f}"])
        known = [row[1:] for row in rows]
        rows += [[name, *row] for row in mine if row not in known]
        parity = artifact.read_manifest(folder)["parity"]
        rows.append([name, f"{folder.name}: the last one in int8", "", f"{parity['int8_macro_f1']:.3f}"])
    return markdown_table(["size", "step", "epochs", "authored dev macro-F1"], rows)


def benchmark() -> str:
    """The benchmark table, and the same shape on a processor with int8 instructions."""
    text = render(_benchmark())
    before = json.loads((ROOT / "reports" / "small-v1" / "benchmark.json").read_text(encoding="utf-8"))
    ours, other = (before["runtimes"][name]["p50_ms"] for name in ("ours", "pipeline"))
    return (
        f"{text}\n\nWith int8 instructions (VNNI), small-v1, the same shape: {ours:.2f} ms a "
        f"short text, {other / ours:.1f} times better than the pipeline."
    )


def usage() -> str:
    """The help text of every command."""
    parts = []
    for command in COMMANDS:
        parts.append(f"## {command}\n\n```text\n{_command(*command.split(), '--help')}\n```")
    return "\n\n".join(parts)


PASSAGES: dict[str, Callable[[], str]] = {
    f.__name__: f for f in (headline, first_run, examples, results, ladder, steps, benchmark, usage)
}


LIVE = ("first_run", "examples")
"""Passages that hold scores of a run: int8 kernels round a little differently on other processors."""
SCORE_TOLERANCE = 0.05
_SCORE = re.compile(r"\d\.\d+")


def like(before: str, after: str) -> bool:
    """Whether two runs say the same but for the last digits of their scores."""
    if _SCORE.sub("#", before) != _SCORE.sub("#", after):
        return False
    pairs = zip(_SCORE.findall(before), _SCORE.findall(after), strict=True)
    return all(abs(float(a) - float(b)) <= SCORE_TOLERANCE for a, b in pairs)


def passage(match: re.Match[str]) -> str:
    """A passage as it should stand; what another processor changed in its last digits stays as it was."""
    new = f"{match.group(1)}{PASSAGES[match.group(2)]()}\n{match.group(3)}"
    return match.group(0) if match.group(2) in LIVE and like(match.group(0), new) else new


def main() -> int:
    """Write or check; returns the exit code."""
    drifted = []
    for name in FILES:
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        after = _PASSAGE.sub(passage, before)
        if after != before:
            drifted.append(name)
            if "--check" not in sys.argv:
                path.write_text(after, encoding="utf-8")
    if drifted and "--check" in sys.argv:
        sys.stderr.write(f"{', '.join(drifted)} drifted. Run: python docs/generate.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

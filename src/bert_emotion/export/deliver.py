"""``bert-emotion export``: one model, one format, one folder; nothing is written unless parity holds."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bert_emotion import __version__, artifact
from bert_emotion.errors import ExportError, InputError, require
from bert_emotion.export.folder import whole_folder
from bert_emotion.export.parity import compare, parity_texts
from bert_emotion.export.source import Source, read_source

FORMATS: dict[str, str] = {
    "onnx": "bert_emotion.export.to_onnx",
    "onnx-int8": "bert_emotion.export.to_onnx_int8",
    "litert": "bert_emotion.export.to_litert",
    "litert-micro": "bert_emotion.export.to_litert_micro",
    "c": "bert_emotion.export.to_c",
    "web": "bert_emotion.export.to_web",
}
"""Name of a format to the module that writes it."""

Say = Callable[[str], None]


class Format(Protocol):
    """What the module of a format offers.

    Attributes:
        REQUIRES: libraries that it needs, with the extra that brings each.
        MIN_EQUAL_LABELS: share of the parity texts that must keep their label.
    """

    REQUIRES: tuple[tuple[str, str], ...]
    MIN_EQUAL_LABELS: float

    def max_length(self, source: Source) -> int:
        """Tokens of a text that the device reads at a time; parity is measured on texts cut there."""

    def write(self, source: Source, folder: Path, say: Say) -> dict[str, Any]:
        """Write the files of the format into an empty folder; returns facts for the manifest (sizes, arena …)."""

    def run(self, source: Source, folder: Path, texts: list[str]) -> np.ndarray:
        """Logits, float32 (n, labels), of the written files in their real runtime."""

    def usage(self, source: Source, facts: dict[str, Any]) -> str:
        """Markdown: the lines that use the folder on the device."""


def export(
    model: str | Path | None, to: str, out: Path, *, overwrite: bool = False, say: Say = lambda _: None
) -> dict[str, Any]:
    """Export a model; returns the manifest that was written.

    Args:
        model: as for ``EmotionClassifier``.
        to: a key of ``FORMATS``.
        out: folder to write; appears only when everything has been written and checked.
        overwrite: replace a folder that is there.
        say: called with one line a step.

    Raises:
        InputError: unknown format, or `out` exists.
        MissingExtraError: a library of the format is not installed.
        ExportError: another architecture, a missing tool, or parity under the format's bound.
    """
    if to not in FORMATS:
        raise InputError(f"no format {to!r}; there are {', '.join(FORMATS)}.")
    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists. Choose another folder, or replace it with --overwrite.")
    for library in ("torch", "transformers", "onnx"):
        require(library, "export")
    chosen: Any = importlib.import_module(FORMATS[to])
    form: Format = chosen
    for library, extra in form.REQUIRES:
        require(library, extra)
    source = read_source(model)
    with whole_folder(out, ExportError) as folder:
        return _fill(form, to, source, folder, say)


def _fill(form: Format, to: str, source: Source, folder: Path, say: Say) -> dict[str, Any]:
    facts = form.write(source, folder, say)
    texts, truth = parity_texts()
    length = form.max_length(source)
    say(f"parity on {len(texts)} texts")
    expected = source.logits(texts, length)
    parity = compare(expected, form.run(source, folder, texts), truth, source.config.labels, length)
    parity.require(form.MIN_EQUAL_LABELS, f"{source.config.name} as {to}")
    settings = source.settings() | {"max_length": length}
    (folder / "settings.json").write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    readme = _readme(to, source, facts, asdict(parity), form)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    files = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": artifact.sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "format": to,
        "model": source.config.name,
        "model_sha256": artifact.sha256_of(source.config.network_path),
        "written_by": f"bert-emotion {__version__}",
        "facts": facts,
        "parity": asdict(parity),
        "files": files,
    }
    # a model folder has its own manifest (onnx formats), which the runtime reads
    name = "export.json" if (folder / artifact.MANIFEST).exists() else artifact.MANIFEST
    (folder / name).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def _readme(to: str, source: Source, facts: dict[str, Any], parity: dict[str, Any], form: Format) -> str:
    return (
        f"# {source.config.name} as {to}\n\n"
        f"<!-- written by `bert-emotion export` -->\n"
        f"Labels, emoji, calibration and the longest input stand in `settings.json`: divide the logits by "
        f"`temperature` before the softmax, and take an answer under `threshold` as unsure.\n\n"
        f"{form.usage(source, facts).strip()}\n\n"
        f"## Beside the float32 model\n\n"
        f"{parity['texts']} texts, cut at {parity['max_length']} tokens: {parity['equal_labels']:.1%} keep their "
        f"label, probabilities change by at most {parity['max_probability_difference']:.4f} (mean "
        f"{parity['mean_probability_difference']:.5f}), macro-F1 falls by {parity['macro_f1_loss']:.4f}.\n"
    )

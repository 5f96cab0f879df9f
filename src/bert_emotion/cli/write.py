"""Predictions onto stdout: a coloured table on a terminal, TSV in a pipe, CSV or JSON lines on request."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import islice
from typing import Any

from bert_emotion.classifier import Prediction
from bert_emotion.labels import emoji_of

BAR_CELLS = 10
LABEL_CELLS = 10

_COLOURS = {
    "Sadness": "blue", "Anger": "red", "Love": "magenta", "Surprise": "yellow", "Fear": "bright_black",
    "Happiness": "bright_yellow", "Neutral": "white", "Disgust": "green", "Shame": "bright_magenta",
    "Guilt": "cyan", "Confusion": "bright_blue", "Desire": "bright_red", "Sarcasm": "bright_cyan",
}  # fmt: skip

Answered = Iterable[tuple[str, Prediction]]
"""Texts with their predictions."""


class Output(str, Enum):
    """Form of the answers."""

    TABLE = "table"
    TSV = "tsv"
    CSV = "csv"
    JSON = "json"


def _top(prediction: Prediction, count: int) -> list[tuple[str, float]]:
    return list(islice(sorted(prediction.scores.items(), key=lambda item: -item[1]), count))


def _columns(text: str, prediction: Prediction, top_k: int, all_scores: bool) -> dict[str, str]:
    """Cells of a TSV or CSV row by column name; the text comes last, so that labels are the first column."""
    cells = {
        "label": prediction.label,
        "emoji": prediction.emoji,
        "score": f"{prediction.score:.4f}",
        "reason": prediction.reason or "",
    }
    for rank, (label, score) in enumerate(_top(prediction, top_k)[1:], start=2):
        cells[f"label_{rank}"], cells[f"score_{rank}"] = label, f"{score:.4f}"
    if all_scores:
        cells.update({label: f"{score:.4f}" for label, score in prediction.scores.items()})
    cells["text"] = text
    return cells


def _write_tsv(answered: Answered, top_k: int, all_scores: bool) -> None:
    for text, prediction in answered:
        cells = _columns(text, prediction, top_k, all_scores)
        # a tab or line break inside a text would break the row for cut and awk; CSV and JSON keep them
        sys.stdout.write("\t".join(" ".join(cell.split()) for cell in cells.values()) + "\n")


def _write_csv(answered: Answered, top_k: int, all_scores: bool) -> None:
    writer: Any = None
    for text, prediction in answered:
        cells = _columns(text, prediction, top_k, all_scores)
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(cells), lineterminator="\n")
            writer.writeheader()
        writer.writerow(cells)


def _write_json(answered: Answered, top_k: int, all_scores: bool) -> None:
    for text, prediction in answered:
        item = {"text": text, **prediction.asdict()}
        if not all_scores:
            del item["scores"]
        if top_k > 1:
            item["top"] = [{"label": label, "score": score} for label, score in _top(prediction, top_k)]
        sys.stdout.write(json.dumps(item, ensure_ascii=False) + "\n")


def _write_table(answered: Answered, top_k: int, all_scores: bool) -> None:
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for text, prediction in answered:
        shown = list(prediction.scores.items()) if all_scores else _top(prediction, top_k)
        if not all_scores and top_k == 1:
            shown = [(prediction.label, prediction.score)]
        for rank, (label, score) in enumerate(shown):
            line = Text(emoji_cell(label))
            line.append(f"{label:<{LABEL_CELLS}}", style=_COLOURS.get(label, "default"))
            line.append(bar(score), style=_COLOURS.get(label, "default"))
            line.append(f" {score:.2f}  ")
            note = f"({prediction.reason}) " if prediction.reason and rank == 0 else ""
            line.append(note, style="dim")
            if rank == 0:
                room = max(20, console.width - line.cell_len)
                flat = " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())
                line.append(flat if cell_len(flat) <= room else set_cell_size(flat, room - 1) + "…", style="dim")
            console.print(line, soft_wrap=True)


def emoji_cell(label: str) -> str:
    """The emoji of a label, padded to three terminal cells."""
    from rich.cells import cell_len

    emoji = emoji_of(label)
    return emoji + " " * max(1, 3 - cell_len(emoji))


def bar(score: float) -> str:
    """A bar of ``BAR_CELLS`` cells, in eighths of a cell."""
    eighths = round(score * BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(BAR_CELLS)


_WRITERS: dict[Output, Callable[[Answered, int, bool], None]] = {
    Output.TABLE: _write_table,
    Output.TSV: _write_tsv,
    Output.CSV: _write_csv,
    Output.JSON: _write_json,
}


def write(answered: Answered, output: Output, *, top_k: int, all_scores: bool) -> None:
    """Write predictions as they come.

    Args:
        answered: texts with predictions.
        output: the form.
        top_k: labels a text, best first, 1 or more.
        all_scores: every score in label order.
    """
    _WRITERS[output](answered, top_k, all_scores)

"""The plots of reports: as SVG that follows a page's colours, or as PNG on white."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

PAGE_INK = "#010203"
"""Drawn in this colour, lines and letters of an SVG take the colour of the page's text."""
PAPER_INK = "#24292f"
BLUE = "#3d7fd6"
ORANGE = "#d9782d"
_COLOURS = (BLUE, ORANGE, "#2f9e6e", "#b24fc4", "#c9a227", "#d1495b", "#2aa7b8", "#8a6d4b")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# nothing to everything: the page shines through where the share is small
_SHADES = ListedColormap([(*(int(BLUE[i : i + 2], 16) / 255 for i in (1, 3, 5)), a) for a in np.linspace(0, 1, 101)])
_WRITTEN_CELLS_MOST = 40
_CUT = 28

Draw = Callable[[str], Figure]
"""Draws a plot with the given colour for lines and letters."""


@contextmanager
def _style(ink: str) -> Iterator[None]:
    settings: dict[str, Any] = {
        "text.parse_math": False,  # a label may hold a dollar sign
        "svg.fonttype": "none",
        "svg.hashsalt": "bert-emotion",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), ink),
        "legend.frameon": False,
        "axes.titlesize": 11,
    }
    with rc_context(settings), warnings.catch_warnings():
        # labels may hold letters that the measuring font lacks
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        yield


def to_svg(draw: Draw, name: str) -> str:
    """A plot as an ``<svg>`` element for a page; `name` keeps its ids apart from those of other plots."""
    with _style(PAGE_INK):
        buffer = io.StringIO()
        draw(PAGE_INK).savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Type": None}
        )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(PAGE_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", svg)


def to_png(draw: Draw) -> bytes:
    """A plot as PNG on white."""
    with _style(PAPER_INK):
        buffer = io.BytesIO()
        draw(PAPER_INK).savefig(buffer, format="png", dpi=110, facecolor="white")
    return buffer.getvalue()


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _short(label: str) -> str:
    return label if len(label) <= _CUT else label[: _CUT - 1] + "…"


def confusion(counts: Any, true: Sequence[str], answered: Sequence[str], title: str) -> Draw:
    """Confusion matrix: counts, shaded by their share of the row.

    Args:
        counts: (true, answered).
        true: names of the rows.
        answered: names of the columns.
        title: above the plot.
    """

    def draw(ink: str) -> Figure:
        matrix = np.asarray(counts)
        share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
        cell = 0.46 if len(answered) <= 20 else 0.34
        figure, axes = _axes(2.3 + cell * len(answered), 1.9 + cell * len(true))
        axes.pcolormesh(share, cmap=_SHADES, vmin=0, vmax=1)
        axes.set_ylim(len(true), 0)
        axes.set_xlim(0, len(answered))
        axes.set_aspect("equal")
        if len(answered) <= _WRITTEN_CELLS_MOST:
            for row, column in zip(*np.nonzero(matrix), strict=True):
                colour = "white" if share[row, column] > 0.6 else ink
                axes.text(
                    column + 0.5, row + 0.5, str(matrix[row, column]),
                    ha="center", va="center", color=colour, fontsize=8,
                )  # fmt: skip
        axes.set_xticks(np.arange(len(answered)) + 0.5, [_short(x) for x in answered], rotation=45, ha="right")
        axes.set_yticks(np.arange(len(true)) + 0.5, [_short(x) for x in true])
        axes.tick_params(length=0)
        axes.set_xlabel("answered")
        axes.set_ylabel("true")
        axes.set_title(title)
        return figure

    return draw


def reliability(bins: Sequence[dict[str, Any]], title: str) -> Draw:
    """Accuracy of the answers in each bin of confidence; `bins` as ``scores.calibration`` gives them."""

    def draw(ink: str) -> Figure:
        figure, axes = _axes(5, 4.6)
        axes.plot([0, 1], [0, 1], color=ink, alpha=0.5, linewidth=1, linestyle="--", label="perfect")
        x = [b["confidence"] for b in bins]
        axes.bar(x, [b["accuracy"] for b in bins], width=0.07, color=BLUE, label="accuracy of the bin")
        for b in bins:
            axes.text(
                b["confidence"], b["accuracy"] + 0.015, str(b["texts"]), ha="center", fontsize=8, color=ink, alpha=0.8
            )
        axes.set_xlim(0, 1.04)
        axes.set_ylim(0, 1.08)
        axes.set_xlabel("confidence (numbers: texts)")
        axes.set_ylabel("accuracy")
        axes.set_title(title)
        axes.legend(loc="upper left")
        return figure

    return draw


def label_bars(rows: Sequence[dict[str, Any]], title: str) -> Draw:
    """F1 of every label, with precision and recall; `rows` as ``scores.per_label`` gives them."""

    def draw(ink: str) -> Figure:
        figure, axes = _axes(6.6, 1.6 + 0.34 * len(rows))
        y = np.arange(len(rows))
        axes.barh(y, [r["f1"] for r in rows], height=0.62, color=BLUE, alpha=0.55, label="F1")
        axes.scatter([r["precision"] for r in rows], y, marker="|", s=90, linewidth=2, color=ORANGE, label="precision")
        axes.scatter([r["recall"] for r in rows], y, marker="o", s=18, color=ink, label="recall", zorder=3)
        names = [f"{_short(r['label'])} ({r['texts']})" + ("" if r["can_give"] else ", cannot give") for r in rows]
        axes.set_yticks(y, names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("score (in brackets: texts)")
        axes.set_title(title)
        axes.grid(axis="x", color=ink, alpha=0.12)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=3)
        return figure

    return draw


def length_accuracy(rows: Sequence[dict[str, Any]], title: str) -> Draw:
    """Accuracy by number of words with its interval; `rows` as ``scores.by_length`` gives them."""

    def draw(ink: str) -> Figure:
        figure, axes = _axes(6, 3.6)
        x = np.arange(len(rows))
        accuracy = np.array([r["accuracy"] for r in rows])
        # rounding may put an end of the interval a hair on the wrong side
        reach = [[max(0.0, a - r["accuracy_95"][0]) for a, r in zip(accuracy, rows, strict=True)],
                 [max(0.0, r["accuracy_95"][1] - a) for a, r in zip(accuracy, rows, strict=True)]]  # fmt: skip
        axes.errorbar(x, accuracy, yerr=reach, color=BLUE, marker="o", capsize=4, linewidth=1.5, elinewidth=1)
        axes.set_xticks(x, [f"{r['words']}\n{r['texts']}" for r in rows])
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("words of the text (below: texts)")
        axes.set_ylabel("accuracy, 95 %")
        axes.set_title(title)
        axes.grid(axis="y", color=ink, alpha=0.12)
        return figure

    return draw


def accuracy_against(points: Sequence[dict[str, Any]], x_label: str, title: str) -> Draw:
    """Accuracy with its interval against a cost on a log axis.

    Args:
        points: ``{"name", "x" (> 0), "accuracy", "accuracy_95"}``, in the order of the legend.
        x_label: what x is, with its unit.
        title: above the plot.
    """

    def draw(ink: str) -> Figure:
        figure, axes = _axes(8, 4.2)
        axes.set_xscale("log")
        for place, point in enumerate(points):
            low, high = point["accuracy_95"]
            reach = [[max(0.0, point["accuracy"] - low)], [max(0.0, high - point["accuracy"])]]
            axes.errorbar(
                point["x"], point["accuracy"], yerr=reach, color=_COLOURS[place % len(_COLOURS)],
                marker=_MARKERS[place % len(_MARKERS)], markersize=8, capsize=4, elinewidth=1, linestyle="none",
                label=_short(point["name"]),
            )  # fmt: skip
        xs = [point["x"] for point in points]
        # whole decades: a log axis within one has no readable ticks
        axes.set_xlim(10 ** np.floor(np.log10(min(xs) / 1.1)), 10 ** np.ceil(np.log10(max(xs) * 1.1)))
        axes.set_ylim(0, 1.0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel(f"{x_label} (log)")
        axes.set_ylabel("accuracy, 95 %")
        axes.set_title(title)
        axes.grid(color=ink, alpha=0.12)
        # beside the plot: names at the points would cover each other where models are alike
        figure.legend(loc="outside right upper")
        return figure

    return draw

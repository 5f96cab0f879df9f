"""The figures of ``compare.compare`` as a report."""

from __future__ import annotations

from typing import Any

from bert_emotion.evaluation.compare import SORTS, value_of
from bert_emotion.evaluation.document import Document, Heading, Paragraph, Plot, Table
from bert_emotion.evaluation.judge_render import map_tables, with_interval

WRITTEN_BY = "bert-emotion compare"
_COLUMNS = (
    ("accuracy", "accuracy (95 %)"),
    ("macro_f1", "macro F1 (95 %)"),
    ("weighted_f1", "weighted F1 (95 %)"),
    ("parameters", "parameters, M"),
    ("size_mb", "size, MB"),
    ("p50_ms", "p50, ms"),
    ("texts_per_s", "texts/s"),
    ("peak_mib", "peak RSS, MiB"),
)
_TITLES = {
    "macro_f1": "macro F1", "accuracy": "accuracy", "weighted_f1": "weighted F1", "texts_per_s": "throughput",
    "parameters": "parameters", "size_mb": "size", "p50_ms": "latency", "peak_mib": "peak memory",
}  # fmt: skip
EQUAL_ABOVE = 0.05
"""The p value from which on a difference is called no difference that these texts show."""


def _cell(row: dict[str, Any], key: str) -> str:
    value = value_of(row, key)
    if value is None:
        return "-"
    if f"{key}_95" in row["full"]:
        return with_interval(row["full"], key)
    if key == "parameters":
        return f"{value / 1e6:.1f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def comparison_document(figures: dict[str, Any]) -> Document:
    """The report of a comparison."""
    data, rows = figures["data"], figures["rows"]
    blocks: list[Any] = [Paragraph(note) for note in data["notes"]]
    blocks += [_main_table(rows), *_failed(figures["failed"])]
    blocks.append(Paragraph(_how(figures)))
    if "significance" in figures:
        blocks += [Heading("Is the first better than the second?"), Paragraph(_significance(figures["significance"]))]
    blocks += [Plot("accuracy-size", "Accuracy against size"), Plot("accuracy-latency", "Accuracy against latency")]
    blocks += _labels(rows, data)
    if data["map"]:
        blocks += map_tables("Labels of the data", data["map"])
    for row in rows:
        if row["labels"]["map"]:
            blocks += map_tables(f"Labels of {row['name']} ({row['labels']['set']})", row["labels"]["map"])
    versions = ", ".join(f"{k} {v}" for k, v in figures["versions"].items())
    blocks.append(Paragraph(f"{figures['machine']}. {versions}."))
    return Document(f"{len(rows)} models on {data['rows']} labelled texts", WRITTEN_BY, blocks)


def _main_table(rows: list[dict[str, Any]]) -> Table:
    cells = [[row["name"], *(_cell(row, key) for key, _ in _COLUMNS)] for row in rows]
    bold = set()
    for column, (key, _) in enumerate(_COLUMNS, start=1):
        values = {i: value for i, row in enumerate(rows) if (value := value_of(row, key)) is not None}
        if len(values) > 1:
            best = (max if SORTS[key] else min)(values.values())
            bold |= {(i, column) for i, value in values.items() if value == best}
    return Table(["model", *(title for _, title in _COLUMNS)], cells, bold=frozenset(bold))


def _failed(failed: list[dict[str, str]]) -> list[Any]:
    if not failed:
        return []
    rows = [[one["model"], one["reason"]] for one in failed]
    return [Heading("Not compared"), Table(["model", "reason"], rows, words=frozenset({0, 1}))]


def _how(figures: dict[str, Any]) -> str:
    counted = figures["rows"][0]
    said = (
        f"Sorted by {_TITLES[figures['sort']]}, best of a column in bold. All {figures['data']['rows']} texts count; "
        "macro and weighted are means over the labels of the data; in brackets 95 % bootstrap intervals. Every model "
        "ran alone in a fresh process on one thread: p50 of one text at a time over "
        f"{counted['latency_texts']} of the texts, texts/s over all of them, peak memory of the whole process "
        "(Python, its libraries and the texts included)."
    )
    if "tfidf" in figures:
        learnt = figures["tfidf"]
        said += f" TF-IDF learnt from {learnt['texts']} texts"
        if learnt["left_out_because_in_data"]:
            said += f"; {learnt['left_out_because_in_data']} more were left out because they are among the data"
        said += "."
    return said


def _significance(found: dict[str, Any]) -> str:
    first, second, test, f1 = found["first"], found["second"], found["mcnemar"], found["macro_f1"]
    low, high = f1["difference_95"]
    verdicts = [
        f"Of the texts on which they differ, {first} alone is right on {test['only_first_right']} and {second} alone "
        f"on {test['only_second_right']}: {_p(test['p'])} (McNemar, {test['kind']}).",
        f"Macro F1 differs by {f1['difference']:+.3f} ({low:+.3f} to {high:+.3f}): {_p(f1['p'])} (paired bootstrap).",
    ]
    if test["p"] >= EQUAL_ABOVE and f1["p"] >= EQUAL_ABOVE:
        verdicts.append("These texts do not show that one of the two is better.")
    elif test["p"] < EQUAL_ABOVE and f1["p"] < EQUAL_ABOVE:
        verdicts.append("That is more than chance on texts like these.")
    else:
        verdicts.append("The two tests do not agree: take it as open.")
    return " ".join(verdicts)


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _labels(rows: list[dict[str, Any]], data: dict[str, Any]) -> list[Any]:
    total = len(data["labels"])
    if all(row["labels_it_can_give"] == total for row in rows):
        return []
    cells = []
    for row in rows:
        shared, missing = row["shared"], row["labels"]["cannot_give"]
        cells.append(
            [
                row["name"],
                f"{row['labels_it_can_give']} of {total}",
                f"{row['full']['macro_f1']:.3f}",
                f"{shared['rows']} texts: {shared['accuracy']:.3f} / {shared['macro_f1']:.3f}",
                ", ".join(f"{name} ({count})" for name, count in missing.items()) or "none",
            ]
        )
    head = ["model", "labels", "macro F1, all texts", "accuracy / macro F1, own labels only", "cannot give (texts)"]
    return [
        Heading("Labels that a model cannot give"),
        Table(head, cells, words=frozenset({0, 4})),
        Paragraph(
            "A label that a model does not have counts as wrong in the scores over all texts. The scores over its own "
            "labels take those texts away; fewer labels are easier, so do not compare them between models with "
            "different labels."
        ),
    ]


def comparison_plots(figures: dict[str, Any]) -> dict[str, Any]:
    """Name of every plot to the function that draws it; needs matplotlib."""
    from bert_emotion.evaluation import plots

    rows = figures["rows"]
    drawn = {}
    for name, key, label in (("size", "size_mb", "size, MB"), ("latency", "p50_ms", "p50 of one text, ms")):
        points = [
            {
                "name": row["name"],
                "x": value,
                "accuracy": row["full"]["accuracy"],
                "accuracy_95": row["full"]["accuracy_95"],
            }
            for row in rows
            if (value := value_of(row, key))
        ]
        if points:
            title = f"Accuracy against {name}"
            drawn[f"accuracy-{name}"] = plots.accuracy_against(points, label, title)
    return drawn

"""The figures of ``judge.judge`` as a report."""

from __future__ import annotations

from typing import Any

from bert_emotion.evaluation.document import Document, Heading, Paragraph, Plot, Table

WRITTEN_BY = "bert-emotion evaluate"
TEXT_CHARACTERS = 240
"""The worst errors are shown up to here."""


def number(value: float | None, digits: int = 3) -> str:
    """A figure for a table; a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def with_interval(figures: dict[str, Any], key: str) -> str:
    """``0.817 (0.802-0.834)``."""
    low, high = figures[f"{key}_95"]
    return f"{figures[key]:.3f} ({low:.3f}-{high:.3f})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def map_tables(title: str, table: dict[str, str | None]) -> list[Any]:
    """A heading and the table by which labels were read as others."""
    rows = [[foreign, ours or "no counterpart, left out"] for foreign, ours in sorted(table.items())]
    return [Heading(title), Table(["label", "read as"], rows, words=frozenset({0, 1}))]


def judge_document(figures: dict[str, Any]) -> Document:
    """The report of one model."""
    data, labels = figures["data"], figures["labels"]
    blocks: list[Any] = [Paragraph(note) for note in data["notes"]]
    blocks += _label_notes(data, labels)
    blocks += [Heading("Scores"), _score_table(figures), Paragraph(_how(figures))]
    blocks += [Plot("labels", "F1, precision and recall of every label"), Heading("Per label")]
    blocks.append(
        Table(
            ["label", "texts", "precision", "recall", "F1"],
            [
                [row["label"] + ("" if row["can_give"] else " (the model cannot give it)"), str(row["texts"])]
                + [number(row[key]) for key in ("precision", "recall", "f1")]
                for row in figures["per_label"]
            ],
        )
    )
    if "confusion" in figures:
        blocks += _confusion(figures["confusion"])
    if "reliability" in figures:
        blocks += _confidence(figures)
    blocks += [
        Heading("Length"),
        Table(
            ["words", "texts", "accuracy (95 %)"],
            [[row["words"], str(row["texts"]), with_interval(row, "accuracy")] for row in figures["length"]],
        ),
        Plot("length", "Accuracy by number of words"),
    ]
    if figures["errors"]:
        blocks += [Heading("Surest mistakes"), _errors(figures["errors"])]
    if data["map"]:
        blocks += map_tables("Labels of the data", data["map"])
    if labels["map"]:
        blocks += map_tables(f"Labels of the model ({labels['set']})", labels["map"])
    versions = ", ".join(f"{k} {v}" for k, v in figures["versions"].items())
    blocks.append(Paragraph(f"{figures['machine']}. {versions}."))
    return Document(f"{figures['model']} on {data['rows']} labelled texts", WRITTEN_BY, blocks)


def _label_notes(data: dict[str, Any], labels: dict[str, Any]) -> list[Any]:
    blocks = []
    if labels["cannot_give"]:
        listed = ", ".join(f"{name} ({count} texts)" for name, count in labels["cannot_give"].items())
        blocks.append(Paragraph(f"Labels of the data that this model cannot give: {listed}."))
    if labels["answered_beside_the_data"]:
        listed = ", ".join(f"{name} {count}" for name, count in labels["answered_beside_the_data"].items())
        blocks.append(Paragraph(f"Answers that are none of the data's labels, counted as wrong: {listed}."))
    return blocks


def _score_table(figures: dict[str, Any]) -> Table:
    full, shared = figures["full"], figures["shared"]
    columns = [full] if shared is None else [full, shared]
    multi = figures["data"]["multi_label"]
    rows = [
        ["subset accuracy" if multi else "accuracy", *(with_interval(c, "accuracy") for c in columns)],
        ["macro F1", *(with_interval(c, "macro_f1") for c in columns)],
        ["weighted F1", *(with_interval(c, "weighted_f1") for c in columns)],
    ]
    kinds = ("micro", "macro", "weighted") if multi else ("macro", "weighted")
    if multi:
        rows.append(["micro F1", *(number(c["micro_f1"]) for c in columns)])
    else:
        rows.append(["balanced accuracy", *(number(c["balanced_accuracy"]) for c in columns)])
    for kind in kinds:
        rows.append(
            [
                f"{kind} precision / recall",
                *(f"{c[f'{kind}_precision']:.3f} / {c[f'{kind}_recall']:.3f}" for c in columns),
            ]
        )
    filling = [""] * (len(columns) - 1)
    for k, share in figures.get("top_k", {}).items():
        rows.append([f"right label among the best {k}", number(share), *filling])
    if "ece" in figures:
        rows.append(["calibration error (ECE)", number(figures["ece"]), *filling])
        on_shared = [number(figures["log_loss"])]
        rows.append(["log loss", *([""] * len(filling)), *on_shared])
    if confidence := figures.get("confidence"):
        said = f"{_share(confidence['coverage'])}, {_share(confidence['kept_accuracy'])} right"
        rows.append([f"answers at confidence {confidence['threshold']:.2f} or more", said, *filling])
    time = figures["latency"]
    rows.append(["ms a text, p50 / p99", f"{time['p50_ms']:.2f} / {time['p99_ms']:.2f}", *filling])
    heads = [f"all {full['rows']} texts"] + ([] if shared is None else [f"{shared['rows']} texts it has the label of"])
    return Table(["", *heads], rows)


def _how(figures: dict[str, Any]) -> str:
    time, full = figures["latency"], figures["full"]
    return (
        f"In brackets 95 % bootstrap intervals. Macro and weighted are means over the {full['labels']} labels of the "
        f"data. Times were measured in this run, one text at a time, over {time['latency_texts']} of the texts, on "
        "the machine named below."
    )


def _confusion(found: dict[str, Any]) -> list[Any]:
    counts, answered = found["counts"], found["answered"]
    pairs = [
        (count, true, answered[j])
        for i, true in enumerate(found["true"])
        for j, count in enumerate(counts[i])
        if count and answered[j] != true
    ]
    pairs.sort(key=lambda pair: -pair[0])
    totals = {true: sum(row) for true, row in zip(found["true"], counts, strict=True)}
    rows = [[true, said, str(count), f"{count / totals[true]:.0%}"] for count, true, said in pairs[:10]]
    blocks: list[Any] = [Heading("Confusion"), Plot("confusion", "Confusion matrix, true label against answer")]
    if rows:
        head = ["true", "answered", "texts", "of the true label"]
        blocks += [Paragraph("The most frequent mistakes:"), Table(head, rows, words=frozenset({0, 1}))]
    return blocks


def _confidence(figures: dict[str, Any]) -> list[Any]:
    blocks: list[Any] = [Heading("Confidence")]
    if confidence := figures.get("confidence"):
        blocks.append(
            Paragraph(
                f"At the model's own threshold of {confidence['threshold']:.2f}: "
                f"{_share(confidence['coverage'])} of the answers are kept, {_share(confidence['kept_accuracy'])} of "
                f"them right; of the rest {_share(confidence['rest_accuracy'])}."
            )
        )
    return [
        *blocks,
        Table(
            ["mean confidence", "accuracy", "texts"],
            [[number(b["confidence"], 2), number(b["accuracy"], 2), str(b["texts"])] for b in figures["reliability"]],
            words=frozenset(),
        ),
        Plot("reliability", "Accuracy by confidence"),
    ]


def _errors(errors: list[dict[str, Any]]) -> Table:
    rows = []
    for error in errors:
        text = " ".join(error["text"].split())
        shown = text if len(text) <= TEXT_CHARACTERS else text[: TEXT_CHARACTERS - 1] + "…"
        true, said = (", ".join(error[key]) or "(none)" for key in ("true", "answered"))
        rows.append([number(error["confidence"], 2), true, said, shown])
    return Table(["confidence", "true", "answered", "text"], rows, words=frozenset({1, 2, 3}))


def judge_pictures(figures: dict[str, Any]) -> dict[str, str]:
    """Name of every plot of the report to its SVG; needs matplotlib."""
    from bert_emotion.evaluation import plots

    drawn = {
        "labels": plots.label_bars(figures["per_label"], "Per label"),
        "length": plots.length_accuracy(figures["length"], "Accuracy by length"),
    }
    if found := figures.get("confusion"):
        title = "Confusion (counts; shade: share of the row)"
        drawn["confusion"] = plots.confusion(found["counts"], found["true"], found["answered"], title)
    if "reliability" in figures:
        drawn["reliability"] = plots.reliability(figures["reliability"], f"Reliability (ECE {figures['ece']:.3f})")
    return {name: plots.to_svg(draw, name) for name, draw in drawn.items()}

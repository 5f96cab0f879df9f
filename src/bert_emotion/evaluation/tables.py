"""Markdown tables of figures, for cards, reports and the documentation."""

from __future__ import annotations

from typing import Any


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" for _ in head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _with_interval(value: float, interval: list[float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f}-{interval[1]:.3f})"


def results_table(metrics: dict[str, Any]) -> str:
    """One line a held-out set."""
    rows = []
    for name, m in metrics.items():
        if "sarcastic_f1" in m:
            rows.append([name, str(m["rows"]), "-", f"sarcastic-F1 {m['sarcastic_f1']:.3f}", "-"])
        else:
            accuracy, f1 = (_with_interval(m[key], m[f"{key}_95"]) for key in ("accuracy", "macro_f1"))
            rows.append([name, str(m["rows"]), accuracy, f1, f"{m['ece']:.3f}"])
    return markdown_table(["held-out set", "texts", "accuracy (95 %)", "macro-F1 (95 %)", "ECE"], rows)

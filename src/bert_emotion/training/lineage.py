"""Where a trained model came from: the records of the models before it, nested in its own ``training.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_KEPT = ("recipe", "config", "commit", "dev_macro_f1", "stages", "teacher", "started_from", "averaged_with")
_ANCESTORS = ("started_from", "averaged_with")


def lineage(start: Path) -> tuple[list[str], dict[str, Any]]:
    """Sources that a trained folder learnt from, and what the record of a model that starts from it keeps."""
    before = json.loads((start / "training.json").read_text(encoding="utf-8"))
    return before["sources"], without_repeats({k: before[k] for k in _KEPT if k in before})


def identity(record: dict[str, Any]) -> str:
    """The same for two records of one training, whether or not they name its ancestors."""
    return json.dumps([record.get(k) for k in ("recipe", "config", "commit", "dev_macro_f1")], sort_keys=True)


def without_repeats(record: dict[str, Any]) -> dict[str, Any]:
    """The record with each ancestor in full once: where a training occurs again, without its own ancestors.

    The mean of a model and its further training has one line of ancestors twice, a mean of means four times.
    """
    seen: set[str] = set()

    def walk(one: dict[str, Any]) -> dict[str, Any]:
        if identity(one) in seen:
            return {k: value for k, value in one.items() if k not in _ANCESTORS}
        seen.add(identity(one))
        out = dict(one)
        if "started_from" in one:  # first, so that the line of the weights themselves stays whole
            out["started_from"] = walk(one["started_from"])
        if "averaged_with" in one:
            out["averaged_with"] = [walk(other) for other in one["averaged_with"]]
        return out

    return walk(record)

"""Whose "joy" is whose: the labels of the data and of each model, brought into one set of names.

Nothing is mapped in silence: every table that was used goes into the report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bert_emotion.data.labelled import Labelled
from bert_emotion.errors import InputError
from bert_emotion.labels import DAIR_EMOTION, EKMAN, GOEMOTIONS, LABELS

TABLES: dict[str, dict[str, str]] = {
    name: {foreign: emotion.label for foreign, emotion in table.items()}
    for name, table in (("dair", DAIR_EMOTION), ("ekman", EKMAN), ("goemotions", GOEMOTIONS))
}
"""Name of a foreign label set to its table: foreign label, in lower case, to one of the 13."""

TITLES = {"dair": "dair-ai/emotion, 6 labels", "ekman": "Ekman and neutral", "goemotions": "GoEmotions, 28 labels"}
"""What the foreign sets are called in reports."""

WITHOUT_COUNTERPART = {
    "dair": (),
    "ekman": ("anticipation", "trust"),
    "goemotions": ("approval", "disapproval", "realization"),
}
"""Labels of the foreign sets that none of the 13 stands for."""

_EMOTIONS = {label.lower(): label for label in LABELS}
_UNNAMED = re.compile(r"LABEL_(\d+)")


def recognise(labels: Sequence[str]) -> str | None:
    """Key of the smallest foreign set that holds all these names; None for the 13 and for somebody's own set."""
    lowered = {label.lower() for label in labels}
    if not lowered or lowered <= set(_EMOTIONS):
        return None
    return next((key for key in TABLES if lowered <= {*TABLES[key], *WITHOUT_COUNTERPART[key]}), None)


def plain_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Label names of a model; where it was saved without names (``LABEL_0`` …), the bare ids."""
    unnamed = [_UNNAMED.fullmatch(label) for label in labels]
    return tuple(found.group(1) for found in unnamed if found) if all(unnamed) else tuple(labels)


@dataclass(frozen=True)
class Truth:
    """The data as they are scored.

    Attributes:
        texts: the texts.
        names: the labels that occur, in order; macro averages are means over these.
        given: which labels each text carries, bool (texts, names).
        multi_label: a text may carry several labels, or none.
        table: foreign label to the one it was read as (None: no counterpart); empty where nothing was mapped.
        notes: what was understood and left out, one line each.
    """

    texts: list[str]
    names: tuple[str, ...]
    given: np.ndarray
    multi_label: bool
    table: dict[str, str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Texts a label."""
        return dict(zip(self.names, self.given.sum(axis=0).tolist(), strict=True))


def understand(
    data: Labelled,
    label_sets: Sequence[Sequence[str]],
    *,
    others: Sequence[Sequence[str]] = (),
    map_to: str | None = None,
    shared_only: bool = False,
    recognise_data: bool = False,
) -> Truth:
    """Bring labelled texts into the names of the models that are scored on them.

    Args:
        data: as read; ids that nobody named yet are read in the models' order.
        label_sets: the labels of each model, in its order.
        others: labels of baselines that number nothing (lexicons).
        map_to: key of ``TABLES``: the data's labels are those of this foreign set.
        shared_only: leave out rows whose label no model knows, instead of refusing them.
        recognise_data: map a foreign set that is known by its names, where a model does not have these names.

    Raises:
        InputError: unknown labels, ids of which it is not clear what they mean, or no row left.
    """
    notes = list(data.notes)
    rows = _named(data, label_sets, notes)
    used = sorted({label for labels in rows for label in labels})
    if map_to is None and recognise_data and (found := recognise(used)) is not None:
        lowered = {label.lower() for label in used}
        everywhere = all(lowered <= {label.lower() for label in labels} for labels in (*label_sets, *others))
        map_to = None if everywhere else found
    table: dict[str, str | None] = {}
    keep = [True] * len(rows)
    if map_to is not None:
        table = {label: _mapped(label, map_to) for label in used}
        rows, keep = _replaced(rows, table)
        notes.append(f"labels mapped from {TITLES[map_to]} onto the 13" + _left(keep, "without a counterpart"))
    else:
        known = _known([*label_sets, *others])
        unknown = [label for label in used if label.lower() not in known]
        if unknown and not shared_only:
            raise InputError(_refusal(unknown, used, label_sets))
        rows, keep = _replaced(rows, {label: known.get(label.lower()) for label in used})
        if unknown:
            notes.append(f"labels that no model knows: {_listed(unknown)}" + _left(keep, "with such labels alone"))
    if not any(keep):
        raise InputError(f"no row is left whose label a model knows; the data have {_listed(used)}.")
    kept = [i for i, good in enumerate(keep) if good]
    found_labels = Counter(label for i in kept for label in rows[i])
    order = [*LABELS, *(label for labels in label_sets for label in plain_names(labels)), *data.names]
    names = tuple(label for label in dict.fromkeys(order) if label in found_labels)
    places = {name: i for i, name in enumerate(names)}
    given = np.zeros((len(kept), len(names)), dtype=bool)
    for row, i in enumerate(kept):
        given[row, [places[label] for label in rows[i]]] = True
    return Truth([data.texts[i] for i in kept], names, given, data.multi_label, table, notes)


def _named(data: Labelled, label_sets: Sequence[Sequence[str]], notes: list[str]) -> list[tuple[str, ...]]:
    """Rows of labels; ids become names where the models agree on what they mean."""
    used = {label for labels in data.labels for label in labels}
    if not used or not all(label.isdigit() for label in used):
        return data.labels
    orders = {plain_names(labels) for labels in label_sets}
    orders = {labels for labels in orders if not all(label.isdigit() for label in labels)}
    if not orders:
        return data.labels
    if len(orders) > 1:
        raise InputError("the labels are ids, and the models number theirs differently; name them with --label-names.")
    names = orders.pop()
    if beyond := sorted((label for label in used if int(label) >= len(names)), key=int):
        raise InputError(f"the labels are ids, and {beyond[-1]} is none of the model's 0 to {len(names) - 1}.")
    notes.append("labels are ids in the model's order: " + ", ".join(f"{i} {names[i]}" for i in sorted(map(int, used))))
    return [tuple(names[int(label)] for label in labels) for labels in data.labels]


def _mapped(label: str, key: str) -> str | None:
    lowered = label.lower()
    if lowered in TABLES[key] or lowered in WITHOUT_COUNTERPART[key]:
        return TABLES[key].get(lowered)
    if lowered in _EMOTIONS:
        return _EMOTIONS[lowered]
    known = ", ".join((*TABLES[key], *WITHOUT_COUNTERPART[key]))
    raise InputError(f"{label!r} is no label of {TITLES[key]} (--map {key}); it has {known}.")


def _replaced(rows: list[tuple[str, ...]], table: Mapping[str, str | None]) -> tuple[list[tuple[str, ...]], list[bool]]:
    """Rows in other names, and which of them still say something."""
    out = [tuple(dict.fromkeys(new for old in labels if (new := table[old]) is not None)) for labels in rows]
    return out, [bool(new) or not old for new, old in zip(out, rows, strict=True)]


def _known(label_sets: Sequence[Sequence[str]]) -> dict[str, str]:
    """Lower-case name to the way it is written, of every label that a model may be asked for."""
    known: dict[str, str] = {}
    for labels in label_sets:
        for label in plain_names(labels):
            known.setdefault(label.lower(), label)
        if recognise(labels) is not None or {label.lower() for label in labels} <= set(_EMOTIONS):
            known.update(_EMOTIONS)
    return known


def _refusal(unknown: list[str], used: list[str], label_sets: Sequence[Sequence[str]]) -> str:
    known = dict.fromkeys(label for labels in label_sets for label in plain_names(labels))
    fitting = recognise(used)
    maps = f"--map {fitting}" if fitting else "--map goemotions, ekman or dair"
    return (
        f"the data have labels that no model here knows: {_listed(unknown)} (known: {_listed(list(known), 13)}). "
        f"Map a foreign label set with {maps}, or leave such rows out with --shared-only."
    )


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name[:40]) for name in names[:most]) + more


def _left(keep: list[bool], why: str) -> str:
    lost = keep.count(False)
    return f"; {lost} row(s) {why} left out" if lost else ""


@dataclass(frozen=True)
class Fit:
    """Where the labels of a model stand among the names of the data.

    Attributes:
        names: the data's names, then what else the model may answer (always wrong here).
        columns: for each of `names` the model's columns that stand for it; none: the model cannot give it.
        table: the model's labels to the names they were read as (None: no counterpart); empty: the same names.
        title: what the model's label set is called, where it was mapped.
    """

    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]
    table: dict[str, str | None] = field(default_factory=dict)
    title: str | None = None

    def cannot_give(self, data_names: Sequence[str]) -> list[str]:
        """Names of the data that the model never answers."""
        return [name for name, columns in zip(data_names, self.columns, strict=False) if not columns]

    def scores(self, scores: np.ndarray, multi_label: bool) -> np.ndarray:
        """Model scores (n, labels) as scores of `names`; 0 where the model has no such label.

        Labels that fall together are added up (of a multi-label model: the largest counts). Where labels
        without a counterpart fall away, the rest is scaled to sum to 1 again.
        """
        out = np.zeros((len(scores), len(self.names)))
        for place, columns in enumerate(self.columns):
            if columns:
                part = scores[:, list(columns)]
                out[:, place] = part.max(axis=1) if multi_label else part.sum(axis=1)
        if not multi_label and None in self.table.values():
            out /= np.maximum(out.sum(axis=1, keepdims=True), 1e-12)
        return out

    def given(self, given: np.ndarray) -> np.ndarray:
        """Which of `names` are given, of which of the model's labels are: bool (n, labels) to (n, names)."""
        parts = [given[:, list(c)].any(axis=1) if c else np.zeros(len(given), dtype=bool) for c in self.columns]
        return np.stack(parts, axis=1)


def fit(labels: Sequence[str], names: Sequence[str], own_table: Mapping[str, str] | None = None) -> Fit:
    """Find each label of a model among the data's names: by name without case, else by a table.

    Args:
        labels: the model's labels.
        names: the data's names.
        own_table: a table that the model itself brings (a sentiment lexicon).

    Raises:
        InputError: not one label of the model is among the names.
    """
    plain = plain_names(labels)
    places = {name.lower(): name for name in names}
    read: dict[str, str | None] = {label: places.get(label.lower(), label) for label in plain}
    table: dict[str, str | None] = {}
    title = None
    if not all(label.lower() in places for label in plain) and set(names) <= set(LABELS):
        key = recognise(plain)
        if own_table is not None:
            table, title = {label: own_table.get(label) for label in plain}, "its own"
        elif key is not None:
            table, title = {label: TABLES[key].get(label.lower()) for label in plain}, TITLES[key]
        elif {label.lower() for label in plain} <= set(_EMOTIONS):
            read = {label: _EMOTIONS[label.lower()] for label in plain}
    read = table or read
    every = tuple(dict.fromkeys([*names, *(name for name in read.values() if name is not None)]))
    columns = tuple(tuple(i for i, label in enumerate(plain) if read[label] == name) for name in every)
    if not any(columns[: len(names)]):
        raise InputError(f"it knows none of the data's labels ({_listed(list(names))}); its own are {_listed(plain)}.")
    return Fit(every, columns, table, title)

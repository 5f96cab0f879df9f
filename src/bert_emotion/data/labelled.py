"""Somebody's own labelled texts: CSV, TSV, JSON lines, Parquet, or a Hugging Face dataset folder or name.

Nothing is guessed in silence: which columns were read, how labels were understood and how many rows were left
out for which reason stand in ``Labelled.notes``.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bert_emotion.data.keys import normalise
from bert_emotion.errors import InputError, require
from bert_emotion.labels import LABELS

TEXT_COLUMNS = ("text", "texts", "sentence", "content", "comment", "message", "tweet", "utterance", "review", "body")
LABEL_COLUMNS = ("label", "labels", "emotion", "emotions", "target", "category", "class", "sentiment")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
SPLITS = {
    "train": ("train", "training"),
    "dev": ("dev", "validation", "valid", "val", "development"),
    "test": ("test", "testing", "eval"),
}
MAX_CHARACTERS = 100_000
"""A cell is cut here: no model reads further, and a broken file can hold a gigabyte in one cell."""

_MISSING = ("", "nan", "null", "n/a", "<na>")


@dataclass(frozen=True)
class Labelled:
    """Labelled texts.

    Attributes:
        texts: the texts, none of them empty.
        labels: a tuple of label names a text; exactly one of them unless `multi_label`.
        names: all label names, in id order.
        multi_label: a text may carry several labels, or none.
        notes: what was understood and what was left out, one line each, for the reader.
        columns: the text and the label column.
    """

    texts: list[str]
    labels: list[tuple[str, ...]]
    names: tuple[str, ...]
    multi_label: bool
    notes: list[str] = field(default_factory=list)
    columns: tuple[str, str] = ("text", "label")

    def __len__(self) -> int:
        return len(self.texts)

    def ids(self) -> list[int]:
        """Label id of every text (single-label only)."""
        places = {name: i for i, name in enumerate(self.names)}
        return [places[one] for (one,) in self.labels]

    def take(self, rows: Iterable[int]) -> Labelled:
        """The same set with only these rows, in this order."""
        chosen = list(rows)
        return replace(self, texts=[self.texts[i] for i in chosen], labels=[self.labels[i] for i in chosen])


def read_labelled(
    path: str | Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    names: Sequence[str] | None = None,
    multi_label: bool | None = None,
    separator: str = ",",
    split: str = "train",
    clean: bool = True,
) -> Labelled:
    """Read labelled texts.

    Labels may be names or ids; ids need names (`names`, or the names that a Hugging Face dataset or Parquet
    file carries), else the ids themselves are the names. Labels that are all, but for their case, among the 13
    emotions become those.

    Args:
        path: file, dataset folder, or name of a dataset on the hub (which needs the ``datasets`` library).
        text_column: column of the texts; None guesses by its name.
        label_column: column of the labels; None guesses by its name.
        names: label names in id order.
        multi_label: several labels a text; None: yes where cells hold lists.
        separator: between the labels of a cell that is not a list (`multi_label` only).
        split: which part of a dataset folder or name: train, dev or test.
        clean: drop repeated rows, and rows whose text stands there with another label too; else they stay
            (a test set is scored as it is) and are only told.

    Raises:
        InputError: unreadable file, missing or unclear column, no usable row.
        MissingExtraError: Parquet without pyarrow, a dataset name without ``datasets``.
    """
    name, rows, columns, known = _open(path, split)
    text, label = _columns(name, columns, text_column, label_column)
    raw = [(row.get(text), row.get(label)) for row in rows]
    notes = [f"{name}: {len(raw)} rows, texts from {text!r}, labels from {label!r}"]
    if multi_label is None:
        multi_label = any(isinstance(cell, (list, tuple)) for _, cell in raw[:1000])
    return _understand(name, raw, (text, label), list(names or known or ()), multi_label, separator, notes, clean=clean)


def has_split(path: str | Path, split: str) -> bool:
    """Whether a dataset folder holds files of that split."""
    folder = Path(path)
    return folder.is_dir() and bool(_split_files(folder, split))


# --- rows of a source ------------------------------------------------------------------------------------------


def _open(path: str | Path, split: str) -> tuple[str, list[dict[str, Any]], list[str], list[str]]:
    """Name for messages, rows, columns, and the label names that the source itself carries."""
    place = Path(path).expanduser()
    if place.is_dir():
        files = _split_files(place, split)
        if not files:
            found = ", ".join(sorted(p.name for p in place.iterdir())[:8]) or "nothing"
            raise InputError(f"{place} holds no {split} data ({found}); expected {split}.csv, .jsonl, .parquet or so.")
        rows: list[dict[str, Any]] = []
        columns: list[str] = []
        for file in files:
            part, found_columns = _read_file(file)
            rows += part
            columns += [c for c in found_columns if c not in columns]
        return str(place), rows, columns, _class_names(place, files)
    if place.is_file():
        rows, columns = _read_file(place)
        return str(place), rows, columns, _class_names(place.parent, [place])
    if place.suffix or place.is_absolute() or str(path).startswith("."):
        raise InputError(f"{place} does not exist.")
    return _from_hub(str(path), split)


def _split_files(folder: Path, split: str) -> list[Path]:
    words = SPLITS[split]
    saved = [p for word in words for p in sorted((folder / word).glob("*.arrow"))]  # Dataset.save_to_disk
    named = [
        path
        for where in (folder, folder / "data")
        for path in sorted(where.glob("*"))
        if path.suffix in SUFFIXES and path.name.lower().replace("-", ".").replace("_", ".").split(".")[0] in words
    ]
    flat = sorted(folder.glob("data-*.arrow")) if split == "train" else []
    return saved or named or flat


def _read_file(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".arrow"):
        return _read_arrow(path)
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is no data file that is known ({', '.join(SUFFIXES)}).")
    try:
        content = _decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.") from error
    if "\0" in content:
        raise InputError(f"{path} holds NUL bytes: it is no text file. Save it as UTF-8.")
    return _read_json(path, content) if suffix in (".jsonl", ".ndjson") else _read_csv(path, content)


def _decode(content: bytes) -> str:
    """UTF-8, or UTF-16 where a byte order mark says so; broken bytes become U+FFFD (and are counted later)."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "replace")


def _read_csv(path: Path, content: str) -> tuple[list[dict[str, Any]], list[str]]:
    csv.field_size_limit(2**31 - 1)
    try:
        lines = csv.reader(io.StringIO(content, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        header = [cell.strip() for cell in next(lines, [])]
        rows = [dict(zip(header, cells, strict=False)) for cells in lines if cells]
    except csv.Error as error:
        raise InputError(f"{path} is not {path.suffix[1:].upper()}: {error}.") from error
    if not header:
        raise InputError(f"{path} is empty; expected a header line and rows.")
    if doubled := [name for name, count in Counter(header).items() if count > 1]:
        raise InputError(f"{path} has the column {doubled[0]!r} twice.")
    return rows, header


def _read_json(path: Path, content: str) -> tuple[list[dict[str, Any]], list[str]]:
    rows: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    # splitlines would also cut at characters that JSON strings may hold
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number} is a {type(row).__name__}, expected an object with a text and a label.")
        rows.append(row)
        columns.update(dict.fromkeys(row))
    return rows, list(columns)


def _read_arrow(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    require("pyarrow", "data")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
        else:
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_stream(source).read_all()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is not readable as {path.suffix[1:]} ({str(error).splitlines()[0]}).") from error
    return table.to_pylist(), table.column_names


def _class_names(folder: Path, files: list[Path]) -> list[str]:
    """Names of the label ids that a Hugging Face dataset carries (``ClassLabel`` of its features)."""
    features: dict[str, Any] = {}
    for info in (folder / "dataset_info.json", *(file.parent / "dataset_info.json" for file in files)):
        if info.is_file():
            features = json.loads(info.read_text(encoding="utf-8")).get("features") or {}
            break
    if not features and files and files[0].suffix == ".parquet":
        import pyarrow.parquet as pq

        held = (pq.read_schema(files[0]).metadata or {}).get(b"huggingface")
        features = (json.loads(held).get("info") or {}).get("features") or {} if held else {}
    for feature in features.values():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
            return [str(name) for name in inner["names"]]
    return []


def _from_hub(name: str, split: str) -> tuple[str, list[dict[str, Any]], list[str], list[str]]:
    try:
        datasets = require("datasets", "hub")
    except ImportError as error:
        raise InputError(f"{name} is no file or folder here; as a dataset of the hub: {error}") from error
    try:
        every = datasets.load_dataset(name)
    except Exception as error:  # the library raises a dozen classes of its own
        raise InputError(f"dataset {name!r} cannot be loaded ({str(error).splitlines()[0]}).") from error
    wanted = [part for part in every if part.lower() in SPLITS[split]]
    if not wanted:
        raise InputError(f"dataset {name!r} has no {split} split; it has {', '.join(every)}.")
    chosen = every[wanted[0]]
    known: list[str] = []
    for feature in chosen.features.values():
        inner = getattr(feature, "feature", feature)
        if hasattr(inner, "names") and hasattr(inner, "int2str"):
            known = list(inner.names)
    return name, chosen.to_list(), list(chosen.column_names), known


# --- columns and labels ----------------------------------------------------------------------------------------


def _columns(name: str, columns: list[str], text: str | None, label: str | None) -> tuple[str, str]:
    found = ", ".join(repr(column) for column in columns) or "none"
    for asked, option in ((text, "--text-column"), (label, "--label-column")):
        if asked is not None and asked not in columns:
            raise InputError(f"{name} has no column {asked!r}; found {found}. Name it with {option}.")
    label = label or _guess(columns, LABEL_COLUMNS, without=text)
    text = text or _guess(columns, TEXT_COLUMNS, without=label)
    rest = [column for column in columns if column not in (text, label)]
    if text is None and label is not None and len(rest) == 1:
        text = rest[0]
    if label is None and text is not None and len(rest) == 1:
        label = rest[0]
    if text is None or label is None:
        missing = " and ".join(
            option for value, option in ((text, "--text-column"), (label, "--label-column")) if value is None
        )
        raise InputError(f"{name}: it is not clear which column is which (found {found}). Name it with {missing}.")
    return text, label


def _guess(columns: list[str], known: tuple[str, ...], without: str | None) -> str | None:
    lowered = {column.lower().strip(): column for column in columns if column != without}
    for name in known:
        if name in lowered:
            return lowered[name]
    return None


def _understand(
    name: str,
    raw: list[tuple[Any, Any]],
    columns: tuple[str, str],
    names: list[str],
    multi_label: bool,
    separator: str,
    notes: list[str],
    *,
    clean: bool,
) -> Labelled:
    dropped: Counter[str] = Counter()
    rows: list[tuple[str, tuple[str, ...]]] = []
    for cell, value in raw:
        given = tuple(_label_cells(value, separator if multi_label else None))
        if cell is None or (isinstance(cell, float) and math.isnan(cell)) or not str(cell).strip():
            dropped["without text"] += 1
        elif not given and not (multi_label and isinstance(value, (list, tuple))):
            dropped["without label"] += 1
        elif not multi_label and len(given) > 1:
            raise InputError(f"{name}: a text has {len(given)} labels; for several labels a text: --multi-label.")
        else:
            text = str(cell)
            if len(text) > MAX_CHARACTERS:
                notes.append(f"a text of {len(text)} characters was cut at {MAX_CHARACTERS}")
                text = text[:MAX_CHARACTERS]
            rows.append((text, given))
    broken = sum("�" in text for text, _ in rows)
    if broken:
        notes.append(f"{broken} text(s) held bytes that are not UTF-8, read as U+FFFD")
    rows = list(
        zip((text for text, _ in rows), _canonical([given for _, given in rows], names, name, notes), strict=True)
    )
    rows = list(_once(rows, dropped, clean=clean))
    if not rows:
        raise InputError(f"{name} has no usable row ({_told(dropped) or 'no rows at all'}).")
    if dropped:
        notes.append(("left out: " if clean else "noticed: ") + _told(dropped))
    used = {label for _, given in rows for label in given}
    every = [n for n in names if n in used or len(names) <= 100] or sorted(used, key=_natural)
    if used <= set(LABELS):
        every = [label for label in LABELS if label in used]
    return Labelled([t for t, _ in rows], [g for _, g in rows], tuple(every), multi_label, notes, columns)


def _label_cells(value: Any, separator: str | None) -> Iterator[str]:
    """Label names in a cell; nothing for a missing one."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _label_cells(item, None)
        return
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of ids with gaps is read as floats
    parts = str(value).split(separator) if separator else [str(value)]
    for part in parts:
        if part.strip().lower() not in _MISSING:
            yield part.strip()


def _canonical(given: list[tuple[str, ...]], names: list[str], source: str, notes: list[str]) -> list[tuple[str, ...]]:
    """Ids become names, and names of the 13 emotions are written as they are everywhere."""
    used = {label for labels in given for label in labels}
    places = {str(i): label for i, label in enumerate(names)}
    if names and used and used <= set(places) and not used <= set(names):
        notes.append("labels are ids; names: " + ", ".join(f"{i} {label}" for i, label in places.items() if i in used))
        given = [tuple(places[label] for label in labels) for labels in given]
    elif names and (unknown := sorted(used - set(names) - set(places)) or sorted(used - set(names))):
        raise InputError(f"{source} has the label {unknown[0]!r}; the names are {', '.join(names)}.")
    emotions = {label.lower(): label for label in LABELS}
    used = {label for labels in given for label in labels}
    if used and not names and {label.lower() for label in used} <= set(emotions):
        given = [tuple(emotions[label.lower()] for label in labels) for labels in given]
    return given


def _once(
    rows: list[tuple[str, tuple[str, ...]]], dropped: Counter[str], *, clean: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Rows without repetitions, and without texts that carry different labels (nobody knows which is right)."""
    seen: dict[str, set[tuple[str, ...]]] = {}
    keys = [normalise(text) for text, _ in rows]
    for key, (_, labels) in zip(keys, rows, strict=True):
        seen.setdefault(key, set()).add(tuple(sorted(labels)))
    done: set[str] = set()
    for key, row in zip(keys, rows, strict=True):
        if key and len(seen[key]) > 1:
            dropped["with a text that carries different labels"] += 1
        elif key and key in done:
            dropped["repeated"] += 1
        else:
            done.add(key)
            yield row
            continue
        if not clean:
            yield row


def _told(dropped: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())


def _natural(label: str) -> tuple[int, int, str]:
    return (0, int(label), label) if label.isdigit() else (1, 0, label)

"""The data step: read, map, de-duplicate, keep tests out of training, split, write Parquet and a manifest.

Order of the rules, each counted in the manifest:
1. rows without a place among the 13 get label -1: they teach encoders and benchmarks, never the 13 labels
   (one exception: what a source itself contradicts is dropped);
2. within a source, equal normalised texts are one row, or none when their labels differ;
3. a training row whose normalised text, or one-word-off near copy, is held out anywhere is dropped;
4. a training text that already stands in an earlier (more trusted) shippable source is dropped.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bert_emotion.artifact import sha256_of
from bert_emotion.data.download import Progress, ensure
from bert_emotion.data.keys import near_keys, normalise
from bert_emotion.data.sources import (
    CONTRADICTED,
    NO_LABEL,
    OWN,
    TRAIN_FOLDER,
    Row,
    Source,
    Split,
    own_files,
    select_sources,
)
from bert_emotion.errors import DataError
from bert_emotion.labels import EXAMPLES, LABELS

SPLIT_SEED = 13
SPLIT_SHARES: tuple[tuple[Split, float], ...] = (("test", 0.1), ("dev", 0.1))  # the rest is train
MAPPING_VERSION = 2

_SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("label", pa.int8()),
        ("foreign", pa.string()),
        ("split", pa.string()),
        ("weight", pa.float32()),
        ("kind", pa.string()),
        ("group", pa.string()),
        ("second", pa.string()),
        ("second_label", pa.int8()),
    ]
)


class HeldOut:
    """Every text that no training row may repeat: the given ones (all dev and test rows), and the 13 examples."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.exact: set[str] = set()
        self.near: set[str] = set()
        for text in (*texts, *(example for example, _ in EXAMPLES)):
            key = normalise(text)
            self.exact.add(key)
            self.near.update(near_keys(key))
            self.near.add(key)

    def hit(self, key: str) -> str:
        """Why a training text with this normalised key must go, or an empty string."""
        if key in self.exact:
            return "held-out text"
        keys = near_keys(key)
        if keys and (key in self.near or any(k in self.near for k in keys)):
            return "near copy of a held-out text"
        return ""


def split_authored(rows: list[Row]) -> list[Row]:
    """Split 80/10/10 within each (file, label); the two halves of a minimal pair stay together.

    A pair counts in the stratum of its first half. Adding a new file leaves the other files' splits alone.
    """
    units: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        units[(row.group, row.kind if row.kind.startswith("pair-") else f"row-{i}")].append(i)
    strata: dict[tuple[str, int], list[list[int]]] = defaultdict(list)
    for (group, _), members in units.items():
        strata[(group, rows[members[0]].label)].append(members)
    out = list(rows)
    for (group, label), members_list in sorted(strata.items()):
        random.Random(f"{SPLIT_SEED}/{group}/{label}").shuffle(members_list)
        taken = 0.0
        wanted: list[tuple[float, Split]] = []
        for split, share in SPLIT_SHARES:
            taken += share * len(members_list)
            wanted.append((taken, split))
        for position, members in enumerate(members_list):
            chosen: Split = next((split for end, split in wanted if position + 0.5 < end), "train")
            for i in members:
                out[i] = replace(rows[i], split=chosen)
    return out


def _dedupe(rows: list[Row], dropped: Counter[str]) -> Iterator[Row]:
    """Equal normalised texts of one source and split become one row, or none when they disagree."""
    groups: dict[tuple[bool, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(row.split == "train", normalise(row.text))].append(row)
    for (train, _), members in groups.items():
        if not train:
            yield from members  # a test set is reported as its authors published it
        elif len({(m.label, m.foreign if m.label == NO_LABEL else "") for m in members}) > 1:
            dropped["duplicates with different labels"] += len(members)
        else:
            dropped["duplicate"] += len(members) - 1
            yield members[0]


@dataclass
class _Table:
    source: Source
    read: int
    dropped: Counter[str]
    unmapped: Counter[str]
    rows: list[Row]


def _read(source: Source, folder: Path) -> _Table:
    dropped: Counter[str] = Counter()
    unmapped: Counter[str] = Counter()
    rows: list[Row] = []
    read = 0
    for row in source.read(folder):
        read += 1
        if not row.text:
            dropped["empty"] += 1
        elif row.drop == CONTRADICTED:
            dropped[row.drop] += 1
        else:
            if row.drop:
                unmapped[row.drop] += 1
            rows.append(row)
    if source.name == "authored":
        # files for training alone move neither dev nor test: their rows give way to the others'
        first: list[Row] = []
        later: list[Row] = []
        for row in rows:
            (later if row.group.startswith(f"{TRAIN_FOLDER}/") else first).append(row)
        known = {normalise(row.text) for row in first}
        fresh = [row for row in later if normalise(row.text) not in known]
        dropped["duplicate"] += len(later) - len(fresh)
        # one text, one split: duplicates go before the split, or a copy could land on the other side
        rows = [*split_authored(list(_dedupe(first, dropped))), *_dedupe(fresh, dropped)]
        unsure = [row for row in rows if row.split == "train" and row.second == "differ"]
        dropped["second labelling differs"] += len(unsure)
        rows = [row for row in rows if not (row.split == "train" and row.second == "differ")]
    else:
        rows = list(_dedupe(rows, dropped))
    return _Table(source, read, dropped, unmapped, rows)


def prepare(
    raw: Path,
    authored: Path,
    out: Path,
    *,
    sources: Iterable[str] | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write ``<out>/<source>.parquet`` for every source and ``<out>/manifest.json``; returns the manifest.

    Args:
        raw: folder of third-party files; missing ones are downloaded into it.
        authored: folder of this project's own ``.jsonl`` files.
        out: folder to write; existing tables are replaced.
        sources: names to prepare; None means all. Held-out texts come only from the named sources.
        offline: fail instead of downloading.
        progress: called with (file, bytes done, bytes in all) while downloading.
    """
    tables: list[_Table] = []
    for source in select_sources(sources):
        ensure(source, raw, offline=offline, progress=progress)
        tables.append(_read(source, authored if source.name in OWN else raw))

    held_out = HeldOut(row.text for table in tables for row in table.rows if row.split != "train")

    out.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    entries: dict[str, Any] = {}
    for table in tables:
        kept: list[Row] = []
        for row in table.rows:
            if row.split == "train":
                key = normalise(row.text)
                reason = held_out.hit(key)
                if not reason and table.source.use == "ship":
                    if key in seen:
                        reason = "stands in an earlier source"
                    seen.add(key)
                if reason:
                    table.dropped[reason] += 1
                    continue
            kept.append(row)
        _write(kept, out / f"{table.source.name}.parquet")
        entries[table.source.name] = _entry(table, kept, authored, out)
    manifest: dict[str, Any] = {
        "mapping_version": MAPPING_VERSION,
        "split": {
            "seed": SPLIT_SEED,
            "shares": {**dict(SPLIT_SHARES), "train": 1 - sum(s for _, s in SPLIT_SHARES)},
        },
        "held_out_texts": len(held_out.exact),
        "train_rows_in_held_out": sum(
            normalise(t) in held_out.exact
            for n in entries
            for t in read_table(out, n, "train").column("text").to_pylist()
        ),
        "sources": entries,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def _write(rows: list[Row], path: Path) -> None:
    columns = {name: [getattr(row, name) for row in rows] for name in _SCHEMA.names}
    partial = path.with_suffix(".part")
    pq.write_table(pa.table(columns, schema=_SCHEMA), partial, compression="zstd")
    partial.replace(path)


def _entry(table: _Table, kept: list[Row], authored: Path, out: Path) -> dict[str, Any]:
    source = table.source
    if source.name in OWN:
        files = [
            {"path": p.relative_to(authored).as_posix(), "sha256": sha256_of(p), "size": p.stat().st_size}
            for p in own_files(source.name, authored)
        ]
    else:
        files = [{"path": f.path, "url": f.url, "sha256": f.sha256, "size": f.size} for f in source.files]
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in kept:
        labels[row.split]["none" if row.label == NO_LABEL else LABELS[row.label]] += 1
    return {
        "home": source.home,
        "revision": source.revision,
        "licence": source.licence,
        "use": source.use,
        "files": files,
        "rows_read": table.read,
        "rows_kept": {split: sum(counts.values()) for split, counts in sorted(labels.items())},
        "rows_unmapped": dict(sorted(table.unmapped.items())),
        "rows_dropped": dict(sorted((reason, n) for reason, n in table.dropped.items() if n)),
        "labels": {split: dict(sorted(counts.items())) for split, counts in sorted(labels.items())},
        "content_sha256": _content_hash(kept),
    }


def _content_hash(rows: list[Row]) -> str:
    """Hash of what was kept: the same on every machine, whatever Parquet version wrote it."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.split}\t{row.label}\t{row.foreign}\t{row.text}\n".encode())
    return digest.hexdigest()


def read_table(prepared: Path, source: str, split: Split | None = None) -> pa.Table:
    """Rows of one prepared source, all or of one split.

    Raises:
        DataError: when the prepare step has not been run.
    """
    path = prepared / f"{source}.parquet"
    if not path.exists():
        raise DataError(f"{path} is missing. Run: bert-emotion data prepare --out {prepared}")
    return pq.read_table(path, filters=None if split is None else [("split", "=", split)])


def held_out(prepared: Path) -> HeldOut:
    """The held-out texts of all prepared tables."""
    tables = [pq.read_table(path, filters=[("split", "!=", "train")]) for path in sorted(prepared.glob("*.parquet"))]
    return HeldOut(text for table in tables for text in table.column("text").to_pylist())


def manifest_hash(prepared: Path) -> str:
    """sha256 of ``manifest.json``, the name under which a model remembers its data."""
    path = prepared / "manifest.json"
    if not path.exists():
        raise DataError(f"{path} is missing. Run: bert-emotion data prepare --out {prepared}")
    return sha256_of(path)

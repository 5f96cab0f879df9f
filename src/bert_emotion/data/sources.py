"""The sources: where each comes from, under which licence, and how its files become rows."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bert_emotion.data.keys import normalise
from bert_emotion.errors import DataError
from bert_emotion.labels import CURIOSITY_WEIGHT, DAIR_EMOTION, EKMAN, GOEMOTIONS, LABEL_IDS, Emotion

Split = Literal["train", "dev", "test"]
Use = Literal["ship", "benchmark"]

CONTRADICTED = "neutral text that also carries an emotion"
"""Reason to drop a row altogether: the source says two things of one text."""

NO_LABEL = -1
"""Label id of a row that has no place among the 13 but is still of use (a literal tweet, unlabelled text)."""


@dataclass(frozen=True)
class Row:
    """One text as a source gives it, already mapped.

    Attributes:
        text: the text, stripped of outer white space.
        label: id of the 13, or ``NO_LABEL``.
        foreign: the source's own label names, comma-separated.
        split: the split the source puts it in; authored rows are split by the prepare step.
        weight: weight in training, 0-1.
        drop: why the row has no place among the 13, or an empty string.
        kind: pair id, ``sentence``, ``long-…``, ``rephrase`` and the like.
        group: authored source file, the stratum of the split.
        second: blind second labelling of authored rows: ``agree``, ``near``, ``differ`` or empty.
        second_label: the other label that the second labelling named, or ``NO_LABEL``.
    """

    text: str
    label: int
    foreign: str = ""
    split: Split = "train"
    weight: float = 1.0
    drop: str = ""
    kind: str = ""
    group: str = ""
    second: str = ""
    second_label: int = NO_LABEL


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: its path below the raw folder, its public address and checksum.

    ``url`` is None where no single public file exists; then the file must be put in place by hand.
    """

    path: str
    url: str | None
    sha256: str
    size: int


@dataclass(frozen=True)
class Source:
    """A data set: origin, licence, what its weights may be used for, files and reader."""

    name: str
    home: str
    revision: str
    licence: str
    use: Use
    files: tuple[SourceFile, ...]
    read: Callable[[Path], Iterator[Row]]


def _map_multi(names: list[str], mapping: dict[str, Emotion]) -> tuple[int, str]:
    """Map a row's foreign labels to one of the 13; returns (id or NO_LABEL, reason it was dropped)."""
    if not names:
        return NO_LABEL, "no label"
    if any(name not in mapping for name in names):
        return NO_LABEL, "label without counterpart"
    targets = {mapping[name] for name in names}
    if len(targets) > 1:
        return NO_LABEL, "two of the 13 labels"
    return int(targets.pop()), ""


OWN = ("authored", "unseen")
"""Sources that lie in this repository, in the folder of the authored files."""
TRAIN_FOLDER = "train"
"""Folder of the authored files that are all training rows: written after the dev and test splits were fixed."""
UNSEEN_FOLDER = "unseen"
"""Folder of a test set by other writers, who saw neither the authored text nor how it came to be."""


def own_files(name: str, raw: Path) -> list[Path]:
    """The ``.jsonl`` files of a source of ``OWN``; those for training alone come last."""
    if name == "unseen":
        return sorted((raw / UNSEEN_FOLDER).glob("*.jsonl"))
    return [*sorted(raw.glob("*.jsonl")), *sorted((raw / TRAIN_FOLDER).glob("*.jsonl"))]


def read_authored(raw: Path) -> Iterator[Row]:
    """Text written for this project; `raw` is the folder of its files."""
    for path in own_files("authored", raw):
        yield from _own_rows(path, path.relative_to(raw).with_suffix("").as_posix(), "train")


def read_unseen(raw: Path) -> Iterator[Row]:
    """The unseen test set; `raw` is the folder of the authored files."""
    for path in own_files("unseen", raw):
        yield from _own_rows(path, path.stem, "test")


def _own_rows(path: Path, group: str, split: Split) -> Iterator[Row]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        item = json.loads(line)
        if item["label"] not in LABEL_IDS:
            raise DataError(f"{path.name}:{number}: label {item['label']!r} is not one of the 13")
        yield Row(
            text=item["text"].strip(),
            label=LABEL_IDS[item["label"]],
            foreign=item["label"],
            split=split,
            kind=item.get("kind") or "",
            group=group,
            second=item.get("second") or "",
            second_label=LABEL_IDS.get(item.get("second_label") or "", NO_LABEL),
        )


def read_goemotions(raw: Path) -> Iterator[Row]:
    """GoEmotions TSV (text, label ids, comment id), read without quoting."""
    names = (raw / "goemotions/labels.txt").read_text(encoding="utf-8").split()
    splits: tuple[Split, ...] = ("train", "dev", "test")
    for split in splits:
        with (raw / f"goemotions/{split}.tsv").open(encoding="utf-8", newline="") as lines:
            for text, ids, _ in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                foreign = [names[int(i)] for i in ids.split(",")]
                label, drop = _map_multi(foreign, GOEMOTIONS)
                only_curious = label == Emotion.CONFUSION and "confusion" not in foreign
                yield Row(
                    text=text.strip(),
                    label=label,
                    foreign=",".join(foreign),
                    split=split,
                    weight=CURIOSITY_WEIGHT if only_curious else 1.0,
                    drop=drop,
                )


_XED_NAMES = {
    "1": "anger", "2": "anticipation", "3": "disgust", "4": "fear",
    "5": "joy", "6": "sadness", "7": "surprise", "8": "trust",
}  # fmt: skip


def read_xed(raw: Path) -> Iterator[Row]:
    """XED English: film subtitles with Plutchik labels, and neutral lines that carry none of them."""
    emotional: set[str] = set()
    for line in (raw / "xed/en-annotated.tsv").read_text(encoding="utf-8").splitlines():
        text, _, ids = line.rpartition("\t")
        foreign = [_XED_NAMES[i.strip()] for i in ids.split(",")]
        label, drop = _map_multi(foreign, EKMAN)
        emotional.add(normalise(text))
        yield Row(text=text.strip(), label=label, foreign=",".join(foreign), drop=drop)
    for line in (raw / "xed/neu_en.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("\t")[2].strip()
        drop = CONTRADICTED if normalise(text) in emotional else ""
        yield Row(text=text, label=int(Emotion.NEUTRAL), foreign="neutral", drop=drop)


def read_brighter(raw: Path) -> Iterator[Row]:
    """BRIGHTER English: 0/1 columns; only rows with exactly one emotion are mapped."""
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("dev", "test"))
    for name, split in splits:
        with (raw / f"brighter/{name}/eng.csv").open(encoding="utf-8", newline="") as lines:
            for item in csv.DictReader(lines):
                foreign = [n for n in ("anger", "disgust", "fear", "joy", "sadness", "surprise") if item.get(n) == "1"]
                label, drop = _map_multi(foreign, EKMAN)
                yield Row(text=item["text"].strip(), label=label, foreign=",".join(foreign), split=split, drop=drop)


def _sarcasm(text: str, sarcastic: bool, split: Split, kind: str = "") -> Row:
    # a literal sentence is only "not Sarcasm": it may carry any other emotion, so it gets no label
    return Row(
        text=text.strip(),
        label=int(Emotion.SARCASM) if sarcastic else NO_LABEL,
        foreign="sarcastic" if sarcastic else "literal",
        split=split,
        kind=kind,
    )


def read_isarcasmeval(raw: Path) -> Iterator[Row]:
    """ISarcasmEval English: tweets labelled by their own authors, and literal rephrases."""
    with (raw / "isarcasmeval/train.En.csv").open(encoding="utf-8", newline="") as lines:
        for item in csv.DictReader(lines):
            yield _sarcasm(item["tweet"], item["sarcastic"] == "1", "train")
            if item["rephrase"].strip():
                yield _sarcasm(item["rephrase"], False, "train", "rephrase")
    with (raw / "isarcasmeval/task_A_En_test.csv").open(encoding="utf-8", newline="") as lines:
        for item in csv.DictReader(lines):
            yield _sarcasm(item["text"], item["sarcastic"] == "1", "test")


def read_mustard(raw: Path) -> Iterator[Row]:
    """MUStARD: lines of television series, sarcastic or not."""
    items = json.loads((raw / "mustard/sarcasm_data.json").read_text(encoding="utf-8"))
    for item in items.values():
        yield _sarcasm(item["utterance"], bool(item["sarcasm"]), "train")


def read_unlabelled(raw: Path) -> Iterator[Row]:
    """Unlabelled sentences and dialogue turns, for distillation."""
    with gzip.open(raw / "unlabelled/unlabelled_permissive.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            kind, _, text = line.rstrip("\n").partition("\t")
            yield Row(text=text.strip(), label=NO_LABEL, kind=kind)


def read_dair_emotion(raw: Path) -> Iterator[Row]:
    """dair-ai/emotion, the standard split (benchmark only)."""
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "dev"), ("test", "test"))
    for name, split in splits:
        for line in (raw / f"dair_emotion/{name}.txt").read_text(encoding="utf-8").splitlines()[1:]:
            text, _, foreign = line.rpartition(";")
            yield Row(
                text=text.strip(),
                label=int(DAIR_EMOTION[foreign.strip()]),
                foreign=foreign.strip(),
                split=split,
            )


def read_tweeteval_emotion(raw: Path) -> Iterator[Row]:
    """TweetEval emotion: anger, joy, optimism, sadness (benchmark only)."""
    folder = raw / "tweeteval_emotion"
    names = dict(line.split("\t") for line in (folder / "mapping.txt").read_text(encoding="utf-8").splitlines())
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "dev"), ("test", "test"))
    for name, split in splits:
        texts = (folder / f"{name}_text.txt").read_text(encoding="utf-8").splitlines()
        ids = (folder / f"{name}_labels.txt").read_text(encoding="utf-8").split()
        for text, i in zip(texts, ids, strict=True):
            yield Row(text=text.strip(), label=NO_LABEL, foreign=names[i].strip(), split=split)


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "authored": read_authored,
    "unseen": read_unseen,
    "goemotions": read_goemotions,
    "xed": read_xed,
    "brighter": read_brighter,
    "isarcasmeval": read_isarcasmeval,
    "mustard": read_mustard,
    "unlabelled": read_unlabelled,
    "dair_emotion": read_dair_emotion,
    "tweeteval_emotion": read_tweeteval_emotion,
}


def load_sources() -> tuple[Source, ...]:
    """All sources in the order of their authority: a text that stands in two belongs to the first."""
    table = json.loads(Path(__file__).with_name("sources.json").read_text(encoding="utf-8"))
    return tuple(
        Source(
            name=name,
            home=entry["home"],
            revision=entry["revision"],
            licence=entry["licence"],
            use=entry["use"],
            files=tuple(SourceFile(**file) for file in entry["files"]),
            read=reader,
        )
        for name, reader in _READERS.items()
        for entry in (table[name],)
    )


def select_sources(names: Iterable[str] | None) -> list[Source]:
    """The named sources, or all of them, in the order of ``load_sources``.

    Raises:
        DataError: a name that is none of them.
    """
    known = load_sources()
    wanted = {s.name for s in known} if names is None else set(names)
    if unknown := wanted - {s.name for s in known}:
        raise DataError(f"unknown source {sorted(unknown)[0]!r}; known: {', '.join(s.name for s in known)}.")
    return [s for s in known if s.name in wanted]

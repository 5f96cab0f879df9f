from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from bert_emotion import DataError, artifact
from bert_emotion.data import download, prepare, sources
from bert_emotion.data.keys import near_keys, normalise
from bert_emotion.labels import EXAMPLES, Emotion

ROOT = Path(__file__).parents[1]
AUTHORED = ROOT / "data/authored"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I'm SO happy!!!", "im so happy"),
        ("sooooo good", "soo good"),
        ("Café — já", "cafe ja"),
        ("What just happened?!", "what just happened"),
    ],
)
def test_texts_that_are_the_same(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_emoji_only_texts_differ() -> None:
    assert normalise("😭😭") != normalise("😂")


def test_near_copies_share_a_key() -> None:
    held_out = prepare.HeldOut(["I love you so much!"])
    assert held_out.hit(normalise("i love you so MUCH")) == "held-out text"
    for near in ("I love you so very much", "I love you so dearly", "I love you much"):
        assert bool(held_out.hit(normalise(near))) == (len(near.split()) >= 5), near
    assert not held_out.hit(normalise("I love this so very much"))
    assert near_keys("too short") == []


def _rows() -> list[sources.Row]:
    return prepare._read(next(s for s in sources.load_sources() if s.name == "authored"), AUTHORED).rows


def _split_files() -> list[sources.Row]:
    return [row for row in sources.read_authored(AUTHORED) if not row.group.startswith("train/")]


def test_authored_split_is_80_10_10_per_file_and_label_with_pairs_together() -> None:
    rows = prepare.split_authored(_split_files())
    counts: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    pairs: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        counts[row.group, row.label][row.split] += 1
        if row.kind.startswith("pair-"):
            pairs[row.kind].add(row.split)
    assert all(len(splits) == 1 for splits in pairs.values())
    for (group, label), split in counts.items():
        total = sum(split.values())
        if group != "pairs":
            for name in ("dev", "test"):
                assert abs(split[name] - total / 10) <= 1, (group, label, dict(split))
    assert rows == prepare.split_authored(_split_files())


def test_authored_files_hold_no_example_sentence() -> None:
    examples = {normalise(text) for text, _ in EXAMPLES}
    assert not [row.text for row in sources.read_authored(AUTHORED) if normalise(row.text) in examples]


def test_every_source_names_origin_licence_and_checksums() -> None:
    for source in sources.load_sources():
        assert source.home
        assert source.revision
        assert source.licence
        assert all(len(file.sha256) == 64 and file.size > 0 for file in source.files)
    assert {s.name for s in sources.load_sources() if s.use == "benchmark"} == {"dair_emotion", "tweeteval_emotion"}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raw folder with a GoEmotions of nine rows and an authored folder of three."""
    go = tmp_path / "raw/goemotions"
    go.mkdir(parents=True)
    (go / "labels.txt").write_text("joy\nanger\napproval\ncuriosity\n", encoding="utf-8")
    rows = [
        "a fine day\t0\tx1", "A fine day!!\t0\tx2", "an odd day\t0\tx3", "an odd day\t1\tx4", "yes indeed\t2\tx5",
        "so mixed up\t0,1\tx6", "how does it work\t3\tx7", "shared with the test\t0\tx8", "What just happened?\t1\tx9",
    ]  # fmt: skip
    (go / "train.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (go / "dev.tsv").write_text("for dev\t0\ty1\n", encoding="utf-8")
    (go / "test.tsv").write_text("Shared with the test\t0\tz1\nkept though unmapped\t2\tz2\n", encoding="utf-8")
    authored = tmp_path / "authored"
    authored.mkdir()
    # alone with its label, a row stays in train
    lines = [{"text": t, "label": label} for t, label in (("one", "Fear"), ("two", "Anger"), ("a fine day", "Love"))]
    (authored / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    files = tuple(
        sources.SourceFile(f"goemotions/{p.name}", p.as_uri(), artifact.sha256_of(p), p.stat().st_size)
        for p in sorted(go.iterdir())
    )
    known = {s.name: s for s in sources.load_sources()}
    go_source = sources.Source("goemotions", "home", "rev", "CC-BY-4.0", "ship", files, sources.read_goemotions)
    monkeypatch.setattr(sources, "load_sources", lambda: (known["authored"], go_source))
    return tmp_path


def test_files_for_training_alone_move_neither_dev_nor_test(tmp_path: Path) -> None:
    def write(name: str, rows: list[tuple[str, str]]) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps({"text": t, "label": label}) + "\n" for t, label in rows), encoding="utf-8")

    def read() -> list[tuple[str, str, str]]:
        authored = next(s for s in sources.load_sources() if s.name == "authored")
        return sorted((row.text, row.split, row.group) for row in prepare._read(authored, tmp_path).rows)

    write("mine.jsonl", [(f"text number {i}", "Fear") for i in range(20)])
    before = read()
    assert {split for _, split, _ in before} == {"train", "dev", "test"}
    write("train/later.jsonl", [("a later text", "Love"), ("Text number 3!", "Anger"), ("text number 4", "Fear")])
    assert read() == sorted([*before, ("a later text", "train", "train/later")])


def test_prepare_drops_for_the_named_reasons(tiny: Path) -> None:
    manifest = prepare.prepare(tiny / "raw", tiny / "authored", tiny / "out", offline=True)
    entry = manifest["sources"]["goemotions"]
    assert entry["rows_read"] == 12
    assert entry["rows_kept"] == {"dev": 1, "test": 2, "train": 3}
    assert entry["rows_unmapped"] == {"label without counterpart": 2, "two of the 13 labels": 1}
    assert entry["rows_dropped"] == {
        "duplicate": 1,
        "duplicates with different labels": 2,
        "held-out text": 2,
        "stands in an earlier source": 1,
    }
    assert manifest["train_rows_in_held_out"] == 0
    [row] = [r for r in prepare.read_table(tiny / "out", "goemotions", "train").to_pylist() if r["label"] != -1]
    assert (row["text"], row["label"], row["weight"]) == ("how does it work", int(Emotion.CONFUSION), 0.5)
    assert json.loads((tiny / "out/manifest.json").read_text(encoding="utf-8")) == manifest


def test_prepare_twice_gives_the_same_manifest(tiny: Path) -> None:
    first = prepare.prepare(tiny / "raw", tiny / "authored", tiny / "out", offline=True)
    assert prepare.prepare(tiny / "raw", tiny / "authored", tiny / "out", offline=True) == first


def test_missing_files_are_downloaded_and_partial_ones_continued(tiny: Path) -> None:
    source = sources.load_sources()[1]
    told: list[tuple[str, int, int]] = []
    download.ensure(source, tiny / "fresh", progress=lambda *a: told.append(a))
    assert {file for file, _, _ in told} == {f.path for f in source.files}
    with pytest.raises(DataError, match="downloads are off"):
        download.ensure(source, tiny / "other", offline=True)


def test_an_altered_file_is_named(tiny: Path) -> None:
    (tiny / "raw/goemotions/train.tsv").write_text("x\t0\ty\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.tsv has sha256"):
        prepare.prepare(tiny / "raw", tiny / "authored", tiny / "out", offline=True)


def test_a_wrong_download_is_dropped(tiny: Path) -> None:
    file = sources.load_sources()[1].files[0]
    wrong = sources.SourceFile(file.path, file.url, "0" * 64, file.size)
    source = sources.Source("x", "", "", "", "ship", (wrong,), sources.read_goemotions)
    with pytest.raises(DataError, match="the download was dropped"):
        download.ensure(source, tiny / "fresh")
    assert not list((tiny / "fresh").rglob("*.part"))


def test_unknown_source_and_unprepared_folder_are_named(tiny: Path) -> None:
    with pytest.raises(DataError, match="unknown source 'nope'"):
        sources.select_sources(["nope"])
    with pytest.raises(DataError, match="bert-emotion data prepare"):
        prepare.read_table(tiny / "nothing", "authored")

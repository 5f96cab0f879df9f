"""The reader of somebody's own labelled texts: formats, columns, labels, and what is wrong with files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bert_emotion import InputError
from bert_emotion.data.labelled import has_split, read_labelled
from bert_emotion.labels import LABELS


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\nhi there,x\nbye now,y\n"),
        ("a.csv", b"\xef\xbb\xbftext,label\r\nhi there,x\r\nbye now,y\r\n"),
        ("a.csv", "text,label\nhi there,x\nbye now,y\n".encode("utf-16")),
        ("a.tsv", "Sentence\tEmotion\nhi there\tx\nbye now\ty\n"),
        ("a.csv", 'id,tweet,sentiment\n1,"hi there",x\n2,"bye now",y\n'),
        ("a.csv", "words,label\nhi there,x\nbye now,y\n"),
        ("a.jsonl", '{"text": "hi there", "label": "x"}\n\n{"label": "y", "text": "bye now"}\n'),
        ("a.ndjson", '{"text": "hi there", "label": "x"}\n{"text": "bye now", "label": ["y"]}\n'),
    ],
)
def test_every_form_is_the_same_table(tmp_path: Path, name: str, content: str | bytes) -> None:
    data = read_labelled(put(tmp_path / name, content), multi_label=False)
    assert (data.texts, data.labels, data.names) == (["hi there", "bye now"], [("x",), ("y",)], ("x", "y"))


def test_parquet_and_a_dataset_folder_with_names(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"text": ["hi", "bye", "so"], "label": [0, 1, 1]})
    feature = {"label": {"names": ["calm", "angry"], "_type": "ClassLabel"}, "text": {"_type": "Value"}}
    held = {"huggingface": json.dumps({"info": {"features": feature}})}
    (tmp_path / "data").mkdir()
    pq.write_table(table.replace_schema_metadata(held), tmp_path / "data" / "train-00000-of-00001.parquet")
    pq.write_table(table.replace_schema_metadata(held), tmp_path / "data" / "validation-00000-of-00001.parquet")
    data = read_labelled(tmp_path)
    assert data.labels == [("calm",), ("angry",), ("angry",)]
    assert any("0 calm" in note for note in data.notes)
    assert has_split(tmp_path, "dev")
    assert not has_split(tmp_path, "test")
    with pytest.raises(InputError, match="no test data"):
        read_labelled(tmp_path, split="test")
    # as datasets.save_to_disk writes it
    saved = tmp_path / "saved" / "train"
    saved.mkdir(parents=True)
    with (
        pa.OSFile(str(saved / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    (saved / "dataset_info.json").write_text(json.dumps({"features": feature}), encoding="utf-8")
    assert read_labelled(tmp_path / "saved").labels == data.labels


def test_ids_names_and_the_thirteen(tmp_path: Path) -> None:
    ids = put(tmp_path / "ids.csv", "text,label\na b,2\nc d,0\ne f,10\n")
    assert read_labelled(ids).names == ("0", "2", "10")
    assert read_labelled(ids, names=LABELS).labels == [("Love",), ("Sadness",), ("Confusion",)]
    with pytest.raises(InputError, match="has the label '10'; the names are x, y, z"):
        read_labelled(ids, names=("x", "y", "z"))
    shouted = put(tmp_path / "case.csv", "text,label\na b,LOVE\nc d,sarcasm\n")
    assert read_labelled(shouted).names == ("Love", "Sarcasm")
    own = put(tmp_path / "own.csv", "text,label\na b,Love\nc d,billing\n")
    assert read_labelled(own).names == ("Love", "billing")


def test_several_labels(tmp_path: Path) -> None:
    cells = put(tmp_path / "a.csv", 'text,label\na b,"x, y"\nc d,x\n')
    assert read_labelled(cells, multi_label=True).labels == [("x", "y"), ("x",)]
    assert read_labelled(cells).labels[0] == ("x, y",)
    lists = put(tmp_path / "a.jsonl", '{"text": "a b", "label": ["x", "y"]}\n{"text": "c d", "label": []}\n')
    data = read_labelled(lists)
    assert (data.multi_label, data.labels) == (True, [("x", "y"), ()])
    with pytest.raises(InputError, match="--multi-label"):
        read_labelled(lists, multi_label=False)


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    rows = "text,label\nfine day,x\nFine day!,x\nbad day,x\nbad day,y\n ,x\nno label,\nnan one,NaN\nlast,y\n"
    data = read_labelled(put(tmp_path / "a.csv", rows))
    assert data.texts == ["fine day", "last"]
    assert "1 without text, 2 without label, 1 repeated, 2 with a text that carries different labels" in data.notes[-1]
    as_it_is = read_labelled(tmp_path / "a.csv", clean=False)
    assert len(as_it_is) == 5
    assert as_it_is.notes[-1].startswith("noticed: ")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "text,text\na,b\n", "'text' twice"),
        ("a.csv", "one,two,three\na,b,c\n", "not clear which column is which"),
        ("a.csv", "text,label\n", "no rows at all"),
        ("a.csv", b"text,label\nbin\0ary,x\n", "NUL bytes"),
        ("a.jsonl", "{\n", "a.jsonl:1 is not JSON"),
        ("a.jsonl", '"words"\n', "is a str, expected an object"),
        ("a.xlsx", "text,label\n", "no data file that is known"),
        ("a.parquet", "not parquet", "not readable as parquet"),
    ],
)
def test_files_that_are_not_a_table(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match=said):
        read_labelled(put(tmp_path / name, content))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_labelled(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"no column 'words'; found 'text', 'label'"):
        read_labelled(put(tmp_path / "a.csv", "text,label\na,b\n"), text_column="words")
    with pytest.raises(InputError, match="holds no train data"):
        read_labelled(tmp_path / "..")

"""The C export: compiled, compared with torch and the tokenizer, fed with rubbish, run on an emulated Cortex-M7."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the export extra")
pytest.importorskip("transformers", reason="needs the export extra")
pytest.importorskip("onnx", reason="needs the export extra")
if shutil.which("cc") is None and shutil.which("gcc") is None:
    pytest.skip("needs a C compiler", allow_module_level=True)

from bert_emotion import ExportError
from bert_emotion.artifact import ModelConfig
from bert_emotion.export import c_cortex, c_text, to_c
from bert_emotion.export.c_weights import quantise_rows
from bert_emotion.export.parity import parity_texts
from bert_emotion.export.source import Source
from bert_emotion.labels import LABELS

from .toy import TRAINING

pytestmark = TRAINING

CHAT = (
    "i love you", "SOOOO happy!!!!", ":(", ":'(", ":-D:p", "<3", "</3", "sure /s", ";)", "lol", "ngl", "[SEP]", "[MASK",
    "[PAD]x", "😭😭😭", "👍🏽", "❤️", "🤷🏽‍♀️", "日本", "안녕", "ŠĘŁ", "ñ", "ﬁ", "½", "…", "a\u0301", "\u00a0", "\u200b",
    "\n", "１１１１", "don't", "x" * 101, "ｈａｐｐｙ", "𝓱𝓪𝓹𝓹𝔂", "\x0b", "\ufffd",
)  # fmt: skip
MARKS = "<3/:=;'’-()DpP\\oOs xéD"


@pytest.fixture(scope="module")
def source(toy: Path) -> Source:
    """A toy classifier with random weights and the tokenizer of the shipped models, cut to its toy words."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    content = json.loads((to_c.C.parents[1] / "models/small-v7/tokenizer.json").read_text(encoding="utf-8"))
    chosen = [p for p, i in content["model"]["vocab"].items() if i < 900 or len(p.removeprefix("##")) == 1]
    content["model"]["vocab"] = {piece: i for i, piece in enumerate(chosen)}
    torch.manual_seed(13)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(chosen), max_position_embeddings=64, num_labels=len(LABELS), **shape)
    network = BertForSequenceClassification(config).eval()
    for parameter in network.parameters():
        parameter.data *= 4  # the usual start is so small that every text scores alike
    settings = ModelConfig(toy, "toy-v1", LABELS, 64, 1.1, 0.5)
    return Source(settings, network, json.dumps(content))


@pytest.fixture(scope="module")
def folder(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("c")
    to_c.write(source, out, lambda _: None)
    return out


@pytest.fixture(scope="module")
def program(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return to_c.compile_host(folder, tmp_path_factory.mktemp("program") / "emotion")


def mixed(n: int) -> list[str]:
    rng = random.Random(13)
    glue = ("", " ")
    texts = ["".join(rng.choice(CHAT) + rng.choice(glue) for _ in range(rng.randint(1, 9))) for _ in range(n)]
    texts += ["".join(rng.choices(MARKS, k=rng.randint(1, 14))) for _ in range(n)]
    points = [*range(1, 0xD800), *range(0xE000, 0x30000)]
    return texts + ["".join(map(chr, rng.choices(points, k=8))) for _ in range(n)]


def tokens(source: Source, program: Path, texts: list[str]) -> list[list[int]]:
    ids = to_c.pieces_of(source).ids
    return [[ids[int(place)] for place in line.split()] for line in to_c.ask(program, "tokens", texts)]


def test_it_reads_every_text_as_the_tokenizer_does(source: Source, program: Path) -> None:
    texts = [*parity_texts()[0], *CHAT, *mixed(600), "", " \n"]
    found = tokens(source, program, texts)
    different = [(text, ids) for text, ids in zip(texts, found, strict=True) if ids != source.ids(text, 32)]
    assert not different


def test_it_answers_as_the_float_model_does(source: Source, folder: Path) -> None:
    texts = parity_texts()[0][::5]
    expected, found = source.logits(texts, 32), to_c.run(source, folder, texts)
    assert found.shape == (len(texts), 13)
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    assert (found.argmax(1) == expected.argmax(1)).mean() >= to_c.MIN_EQUAL_LABELS


def test_every_optimisation_gives_the_same_bits(folder: Path, program: Path, tmp_path: Path) -> None:
    texts = parity_texts()[0][:20]
    small = to_c.compile_host(folder, tmp_path / "small", "-Os")
    assert to_c.ask(small, "logits", texts) == to_c.ask(program, "logits", texts)


def test_the_facts_are_those_of_the_program(source: Source, program: Path, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    facts = to_c.write(source, tmp_path / "c", lambda _: None)
    assert to_c.ask(program, "memory", []) == [str(facts["workspace_bytes"])]
    assert facts["code_bytes"] is None or 1000 < facts["code_bytes"] < 20_000
    assert f"{facts['workspace_bytes']:,} bytes, static" in to_c.usage(source, facts)
    assert "not run on hardware" in to_c.usage(source, facts)


def test_fewer_tokens_need_less_memory(source: Source, folder: Path, program: Path, tmp_path: Path) -> None:
    short = to_c.compile_host(folder, tmp_path / "short", "-DBE_TOKENS=8")
    assert int(to_c.ask(short, "memory", [])[0]) < int(to_c.ask(program, "memory", [])[0]) / 3
    text = "i love you so much my dear friend"
    assert tokens(source, short, [text]) == [source.ids(text, 8)]
    long = to_c.compile_host(folder, tmp_path / "long", "-DBE_TOKENS=64")
    text = " ".join([text] * 9)
    assert tokens(source, long, [text]) == [source.ids(text, 64)]
    with pytest.raises(ExportError, match="BE_TOKENS must be"):
        to_c.compile_host(folder, tmp_path / "longer", "-DBE_TOKENS=65")


RUBBISH = [
    b"",
    b"word " * 10_000,
    b"a" * 100_000,
    b"\xff\xfe\xc0\x80 \xe2\x82 \xf0\x9f\x98 \xed\xa0\x80 \xf5\x80\x80\x80 happy \xe2",
    "😭".encode() * 500,
    bytes(range(1, 32)),
    "\u0301".encode() * 300,
    b":" * 3000 + b"(" * 3000,
    b"<3" * 2000,
    b"[SEP]" * 100,
    "ﷺ".encode() * 200,
]


@pytest.mark.parametrize("sanitised", [False, True])
def test_no_input_harms_it(source: Source, folder: Path, program: Path, tmp_path: Path, sanitised: bool) -> None:
    if sanitised:
        try:
            checks = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
            program = to_c.compile_host(folder, tmp_path / "checked", *checks)
        except ExportError:
            pytest.skip("the compiler has no sanitizers")
    records = b"".join(text + b"\0" for text in RUBBISH)
    logits = to_c.call([str(program), "logits"], folder, records).decode().splitlines()
    assert len(logits) == len(RUBBISH)
    assert all(np.isfinite([float(word) for word in line.split()]).all() for line in logits)
    texts = [text.decode("utf-8", "replace") for text in RUBBISH]
    read = to_c.call([str(program), "tokens"], folder, records).decode().splitlines()
    ids = to_c.pieces_of(source).ids
    for line, text in zip(read, texts, strict=True):
        assert [ids[int(place)] for place in line.split()] == source.ids(text, 32)


def test_the_program_prints_label_and_probability(source: Source, program: Path) -> None:
    said = to_c.call([str(program)], program.parent, "i love you\n\n😭\n".encode()).decode().splitlines()
    assert len(said) == 3
    assert all(line.split()[1] in LABELS for line in said)
    assert said[1] == "😐 Neutral 0.16 (unsure)"
    logits = source.logits(["i love you"], 32)[0] / 1.1
    best = np.exp(logits.max()) / np.exp(logits).sum()
    assert float(said[0].split()[2]) == pytest.approx(best, abs=0.05)


def test_a_plain_cased_tokenizer_and_own_labels(source: Source, tmp_path: Path) -> None:
    content = json.loads(source.tokenizer_json)
    steps = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": False}
    content["normalizer"] = {"type": "BertNormalizer", **steps}
    content["pre_tokenizer"] = {"type": "BertPreTokenizer"}
    vocabulary = content["model"]["vocab"]
    for piece in ("Love", "é", "##é"):
        vocabulary.pop(next(p for p, i in vocabulary.items() if i == 500 + len(piece)), None)
        vocabulary[piece] = 500 + len(piece)
    labels = (*(f'"la\\bel" ??/ {i}' for i in range(12)), "Größe")
    several = replace(source.config, labels=labels, multi_label=True, label_thresholds=(0.5,) * 13)
    cased = Source(several, source.model, json.dumps(content))
    to_c.write(cased, tmp_path, lambda _: None)
    program = to_c.compile_host(tmp_path, tmp_path / "emotion")
    texts = ["Love love LOVE é É :) sooooo 日本 😭x", *CHAT, *mixed(50)]
    assert tokens(cased, program, texts) == [cased.ids(text, 32) for text in texts]
    said = to_c.call([str(program)], tmp_path, b"Love\n").decode()
    assert any(label in said for label in labels)


def test_quantising_finds_the_grid_of_weights_that_were_int8() -> None:
    rng = np.random.default_rng(13)
    grid = rng.integers(-64, 65, (20, 128)).astype(np.float32)
    grid[:, 0] = 64
    steps = rng.uniform(0.001, 0.1, 20).astype(np.float32)
    codes, found = quantise_rows(grid * steps[:, None], finest=64)
    assert np.abs(codes * found[:, None] - grid * steps[:, None]).max() < 1e-6
    codes, found = quantise_rows(np.zeros((2, 4), dtype=np.float32))
    assert not codes.any()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c["model"].update(continuing_subword_prefix="@@"), "with '##'"),
        (lambda c: c["normalizer"]["normalizers"][1]["pattern"].update(Regex="<4"), "steps that the C code"),
        (lambda c: c.update(pre_tokenizer={"type": "Whitespace"}), "steps that the C code"),
        (lambda c: c["added_tokens"][0].update(lstrip=True), "rules that the C code lacks"),
    ],
)
def test_a_tokenizer_that_the_c_code_does_not_know_is_refused(
    source: Source, tmp_path: Path, change, match: str
) -> None:
    content = json.loads(source.tokenizer_json)
    change(content)
    with pytest.raises(ExportError, match=match):
        to_c.write(replace(source, tokenizer_json=json.dumps(content)), tmp_path, lambda _: None)
    assert not list(tmp_path.iterdir())


def test_the_emoticons_are_those_of_the_trimmed_vocabulary() -> None:
    pytest.importorskip("emoji", reason="needs the train extra")
    from bert_emotion.training import vocabulary

    assert c_text.EMOTICONS == vocabulary.EMOTICONS


def test_without_a_compiler_the_error_says_how_to_get_one(
    source: Source, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ExportError, match=r"apt install gcc.*xcode-select"):
        to_c.compile_host(folder, folder / "never")
    with pytest.raises(ExportError, match="apt install gcc-arm-none-eabi"):
        c_cortex.measure_cortex_m(source, folder, ["hi"])


STAND_INS = {
    "esp_timer.h": "#include <stdint.h>\nint64_t esp_timer_get_time(void);\n",
    "freertos/FreeRTOS.h": "#define pdMS_TO_TICKS(ms) (ms)\n",
    "freertos/task.h": "void vTaskDelay(unsigned ticks);\n",
}


def test_the_esp32_example_compiles_and_has_room(folder: Path, tmp_path: Path) -> None:
    for name, content in STAND_INS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    main = folder / "esp32-s3/main/main.c"
    flags = ["-std=gnu99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{folder}", f"-I{tmp_path}"]
    subprocess.run(["cc", *flags, str(main)], check=True)
    written = [path for path in (folder / "esp32-s3").rglob("*") if path.is_file()]
    assert {path.name for path in written} == {
        "platformio.ini", "CMakeLists.txt", "partitions.csv", "sdkconfig.defaults", "main.c",
    }  # fmt: skip
    assert not [path for path in written if "@" in path.read_text(encoding="utf-8")]
    program = int((folder / "esp32-s3/partitions.csv").read_text(encoding="utf-8").split()[-1], 16)
    assert program % 0x10000 == 0
    assert program + 0x10000 <= 4 << 20


@pytest.mark.skipif(bool(c_cortex.missing_tools()), reason=f"needs {', '.join(c_cortex.TOOLS)}")
def test_an_emulated_cortex_m7_gives_the_same_logits(source: Source, folder: Path) -> None:
    texts = ["i love you", "SOOOO happy!!!! 😭", "", '"quoted" \\ ??/ 日本']
    for optimisation in ("-O2", "-Os"):
        found = c_cortex.measure_cortex_m(source, folder, texts, optimisation)
        assert found["max_logit_difference"] < 1e-4
        assert 1000 < found["code_bytes"] < 10_000
        assert found["flash_bytes"] > found["code_bytes"]
        assert 10_000 < found["instructions_per_text"] < found["instructions_most"] < 10_000_000

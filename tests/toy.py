"""A toy encoder and toy tables, shared by the training tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bert_emotion.data.prepare import _write
from bert_emotion.data.sources import Row

WORDS = (
    "sad", "angry", "love", "wow", "scared", "happy", "table",
    "gross", "shame", "guilty", "confused", "want", "sure",
)  # fmt: skip
TRAINING = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
"""Marks of the test files that train; the libraries warn about their own futures."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_encoder(folder: Path, *, layers: int = 4, lower: bool = True, kind: str = "bert") -> None:
    """A BERT encoder folder with a character-and-word vocabulary."""
    import torch
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

    letters = "abcdefghijklmnopqrstuvwxyz.!?',"
    pieces = [*SPECIAL, *WORDS, "i", "am", "the", "lonely", *letters, *(f"##{c}" for c in letters)]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    content = {
        "version": "1.0",
        "added_tokens": [],
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": lower},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    }
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    torch.manual_seed(0)
    shape = {"vocab_size": len(vocab), "max_position_embeddings": 64}
    if kind == "distilbert":
        DistilBertModel(DistilBertConfig(**shape, dim=32, n_layers=layers, n_heads=2, hidden_dim=64)).save_pretrained(
            folder
        )
    else:
        wide = {"hidden_size": 32, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 64}
        BertModel(BertConfig(**shape, **wide)).save_pretrained(folder)
    marks = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    tokenizer_config = {"tokenizer_class": "PreTrainedTokenizerFast", **marks}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config), encoding="utf-8")


def write_tables(folder: Path) -> None:
    """Tables like those of the data step, of texts that a toy can learn."""
    rng = np.random.default_rng(13)

    def rows(n: int, split: str) -> list[Row]:
        labels = rng.integers(0, 13, n)
        # letters between make each text another one
        texts = {" ".join(["i am", *rng.choice(list("abcdef"), rng.integers(1, 4)), WORDS[i]]): int(i) for i in labels}
        foreign = ("anger", "joy")
        return [Row(text, i, foreign=foreign[i % 2], split=split, group="a") for text, i in texts.items()]

    authored = rows(300, "train") + rows(60, "dev") + rows(60, "test")
    long = Row("the happy table. " * 30, 5, split="test", group="long")
    _write([*authored, long], folder / "authored.parquet")
    plain = Row("so happy", 5, split="test", group="plain_messages")
    _write([*rows(20, "test"), long, plain], folder / "unseen.parquet")
    for name in ("goemotions", "isarcasmeval", "brighter", "xed", "mustard", "unlabelled", "dair_emotion"):
        _write(rows(60, "train") + rows(20, "dev") + rows(20, "test"), folder / f"{name}.parquet")
    entry = {"home": "here", "revision": "1", "licence": "Apache-2.0", "content_sha256": "0"}
    names = ("authored", "goemotions", "xed", "isarcasmeval", "brighter", "mustard", "unlabelled")
    manifest = {"sources": dict.fromkeys(names, entry)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

"""A toy encoder and toy tables, shared by the training tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bert_emotion.data.prepare import _write
from bert_emotion.data.sources import Row

WORDS = (
    "sad", "angry", "love", "wow", "scared", "happy", "table",
    "gross", "shame", "guilty", "confused", "want", "sure",
)  # fmt: skip
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_encoder(folder: Path, *, layers: int = 2) -> None:
    """A BERT encoder folder with a character-and-word vocabulary."""
    import torch
    from transformers import BertConfig, BertModel

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
        "pre_tokenizer": {"type": "BertPreTokenizer"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)


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
    authored += [Row("the happy table. " * 30, 5, split="test", group="long")]
    _write(authored, folder / "authored.parquet")
    for name in ("goemotions", "isarcasmeval", "brighter", "xed", "mustard", "unlabelled", "dair_emotion"):
        _write(rows(60, "train") + rows(20, "dev") + rows(20, "test"), folder / f"{name}.parquet")
    entry = {"home": "here", "revision": "1", "licence": "Apache-2.0", "content_sha256": "0"}
    names = ("authored", "goemotions", "xed", "isarcasmeval", "brighter", "mustard", "unlabelled")
    manifest = {"sources": dict.fromkeys(names, entry)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

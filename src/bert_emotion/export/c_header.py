"""Writes ``model.h``: all constants of one model as C, for ``bert_emotion.c``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from bert_emotion.export.c_text import Pieces, Reading
from bert_emotion.export.c_weights import Weights

_EACH_BLOCK = 16
"""Pieces between two that have their place in the blob written down; between, lengths are added up."""

_MANY = 0x80000000


@dataclass(frozen=True)
class Header:
    """The text of ``model.h`` and what its parts take in flash, in bytes.

    Attributes:
        text: the file.
        weights: network, embeddings included.
        vocabulary: pieces and where they begin.
        unicode: classes of characters and their plain forms.
    """

    text: str
    weights: int
    vocabulary: int
    unicode: int


def write_header(settings: dict[str, Any], pieces: Pieces, reading: Reading, weights: Weights) -> Header:
    """All of a model as one C header.

    Args:
        settings: as of ``Source.settings``, with ``max_length`` the tokens that a text is cut at, and for a
            multi-label model ``label_thresholds``.
        pieces: the vocabulary.
        reading: the tables of characters.
        weights: the quantised network.
    """
    vocabulary = _vocabulary(pieces)
    unicode = _unicode(reading)
    network = {
        "be_embeddings": _packed(weights.embeddings),
        "be_embedding_step": weights.embedding_steps,
        "be_position": weights.positions,
        "be_weights": _packed(weights.matrices),
        "be_floats": weights.floats,
    }
    arrays = {**vocabulary, **unicode, **network}
    lines = [
        "/* Written by `bert-emotion export`: do not edit. Weights, vocabulary and settings of one model, for "
        "bert_emotion.c. */",
        "#ifndef BERT_EMOTION_MODEL_H",
        "#define BERT_EMOTION_MODEL_H",
        "",
        *(f"#define BE_{name} {value}" for name, value in _settings(settings, pieces, reading, weights).items()),
        "",
        "#ifdef BERT_EMOTION_DATA /* only bert_emotion.c asks for what follows */",
        "#include <stdint.h>",
        "",
        *_specials(pieces),
        *(line for name, values in arrays.items() for line in _array(name, values)),
        "#endif",
        "#endif",
        "",
    ]

    def size(group: dict[str, np.ndarray]) -> int:
        return sum(values.nbytes for values in group.values())

    return Header("\n".join(lines), size(network), size(vocabulary), size(unicode))


def _settings(settings: dict[str, Any], pieces: Pieces, reading: Reading, weights: Weights) -> dict[str, Any]:
    labels = [entry["label"] for entry in settings["labels"]]
    lower = [label.lower() for label in labels]
    return {
        "NAME": _quoted(settings["name"]),
        "LABELS": len(labels),
        "LABEL_NAMES": ", ".join(map(_quoted, labels)),
        "LABEL_EMOJI": ", ".join(_quoted(entry["emoji"]) for entry in settings["labels"]),
        "LABEL_THRESHOLDS": ", ".join(map(_number, settings.get("label_thresholds", ()))),
        "NEUTRAL": lower.index("neutral") if "neutral" in lower else -1,
        "TEMPERATURE": _number(settings["temperature"]),
        "THRESHOLD": _number(settings["threshold"]),
        "MULTI_LABEL": int(settings["multi_label"]),
        **weights.shape,
        "NORM_EPSILON": _number(weights.norm_epsilon),
        "POSITIONS": len(weights.positions),
        "DEFAULT_TOKENS": settings["max_length"],
        "PIECES": len(pieces.sorted),
        "INSIDE_FROM": pieces.inside[0],
        "INSIDE_TO": pieces.inside[1],
        "WORD_CHARACTERS": pieces.word_characters,
        "CLS": pieces.cls,
        "SEP": pieces.sep,
        "UNK": pieces.unk,
        "SPECIALS": len(pieces.specials),
        "CHAT": int(reading.chat),
        "LOWER": int(reading.lower),
        "CLASSES": len(reading.classes),
        "FOLDS": len(reading.folds),
    }


def _specials(pieces: Pieces) -> list[str]:
    if not pieces.specials:
        return []
    texts = ", ".join(_quoted(text) for text, _ in pieces.specials)
    return [
        f"static const char *const be_special_text[] = {{{texts}}};",
        f"static const uint16_t be_special_token[] = {{{', '.join(str(place) for _, place in pieces.specials)}}};",
    ]


def _vocabulary(pieces: Pieces) -> dict[str, np.ndarray]:
    starts = [0, *accumulate(map(len, pieces.sorted))][:-1]
    return {
        "be_pieces": _packed(np.frombuffer(b"".join(pieces.sorted), dtype=np.int8)),
        "be_piece_block": np.array(starts[::_EACH_BLOCK], dtype=np.uint32),
        "be_piece_length": np.array([len(piece) for piece in pieces.sorted], dtype=np.uint8),
    }


def _unicode(reading: Reading) -> dict[str, np.ndarray]:
    many: list[int] = [0]
    to = []
    for c in sorted(reading.folds):
        plain = reading.folds[c]
        if len(plain) == 1:
            to.append(plain[0])
        else:
            to.append(_MANY | len(many) << 5 | len(plain))
            many.extend(plain)
    # a C array has at least one element; nothing is ever as large as this one
    return {
        "be_classes": np.array([c << 7 | bits for c, bits in reading.classes], dtype=np.uint32),
        "be_fold_from": np.array(sorted(reading.folds) or [0xFFFFFFFF], dtype=np.uint32),
        "be_fold_to": np.array(to or [0], dtype=np.uint32),
        "be_fold_many": np.array(many, dtype=np.uint32),
    }


def _packed(values: np.ndarray) -> np.ndarray:
    """Bytes as little-endian words: a fourth of the numbers for the compiler, and aligned for wide loads."""
    content = np.ascontiguousarray(values).tobytes()
    return np.frombuffer(content + bytes(-len(content) % 4), dtype="<u4")


def _array(name: str, values: np.ndarray) -> list[str]:
    if values.dtype == np.float32:
        kind, items, each = "float", [_number(value) for value in values.ravel().tolist()], 8
    elif values.dtype == np.uint8:
        kind, items, each = "uint8_t", [str(value) for value in values.tolist()], 32
    else:
        kind, items, each = "uint32_t", [f"0x{value:x}" for value in values.tolist()], 12
    lines = [", ".join(items[i : i + each]) for i in range(0, len(items), each)]
    return [f"static const {kind} {name}[] = {{", *(f"{line}," for line in lines), "};"]


def _number(value: float) -> str:
    """A float32 as C reads it back to the bit."""
    return f"{value:.8e}f"


def _quoted(text: str) -> str:
    """A C string; everything but plain letters as octal bytes, so that no compiler sees an escape or a trigraph."""
    return '"' + re.sub(rb"[^A-Za-z0-9 ._-]", lambda m: b"\\%03o" % m.group()[0], text.encode()).decode() + '"'

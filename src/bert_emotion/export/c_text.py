"""What a small device needs to read text as ``tokenizer.json`` does: vocabulary and tables of Unicode.

The device's own code knows the two kinds of tokenizer that our models have (the trimmed vocabulary with emoji and
chat, and a plain BERT one) and takes everything that depends on a character from tables. These are not typed in:
every code point is put through the real tokenizer's steps here, so that device and tokenizer agree by construction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tokenizers import Regex, normalizers, pre_tokenizers

from bert_emotion.errors import ExportError

EMOTICONS: tuple[tuple[str, str], ...] = (
    (r"<3+(?!\w)", " ❤ "),
    (r"</3(?!\w)", " 💔 "),
    (r"(?<![\w:;])[:=]['’]-?\(+", " 😢 "),
    (r"(?<![\w:;])[:=]-?\(+", " 🙁 "),
    (r"(?<![\w:;])[:=]-?\)+", " 🙂 "),
    (r"(?<![\w:;])[:=]-?D+(?!\w)", " 😄 "),
    (r"(?<![\w:;]);-?\)+", " 😉 "),
    (r"(?<![\w:;])[:=]-?[pP](?!\w)", " 😛 "),
    (r"(?<![\w:;])[:=]-?[/\\](?![\w/])", " 😕 "),
    (r"(?<![\w:;])[:=]-?[oO](?!\w)", " 😮 "),
    (r"(?<!\S)/s(?!\w)", " sarcasmtag "),
)
"""The replacements that ``bert_emotion.c`` has written out, in its order; another list is refused."""

ELONGATION = r"([^\s\d])(?=\1\1)"

DROP, SPACE, PUNCTUATION, DIGIT, LETTER, EMOJI, IDEOGRAPH = 1, 2, 4, 8, 16, 32, 64
"""Bits of a character's class, as in ``bert_emotion.c``: left out, splits words, stands alone, …"""

STRIPPED = 0x40000000
"""Marks a character of ``Reading.folds`` that lost an accent: no emoticon is made of it."""

# Planes 4 to 13 hold nothing, 15 and 16 private characters: one code point stands for all behind it.
_PROBED = (*range(1, 0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE0200), 0xF0000)
_BLOCK = 20_000


@dataclass(frozen=True)
class Reading:
    """How a text becomes words.

    Attributes:
        chat: emoticons are rewritten, long repetitions cut, emoji stand alone.
        lower: letters become small.
        classes: first code point of a run and the class bits of all in it; the first run begins at 0.
        folds: code point to the plain characters that it stands for.
    """

    chat: bool
    lower: bool
    classes: tuple[tuple[int, int], ...]
    folds: dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Pieces:
    """A WordPiece vocabulary in the order of its bytes, in which a device searches.

    Attributes:
        sorted: the pieces as UTF-8; a token of the device is a place in here.
        ids: for every place the id in ``tokenizer.json``, which is the row of the embedding table.
        inside: from and to of the pieces that begin with ``##``.
        cls, sep, unk: places of the three special tokens.
        specials: added tokens, which are found in raw text too: their text and place.
        word_characters: a longer word is unknown.
    """

    sorted: tuple[bytes, ...]
    ids: tuple[int, ...]
    inside: tuple[int, int]
    cls: int
    sep: int
    unk: int
    specials: tuple[tuple[str, int], ...]
    word_characters: int


def read_pieces(tokenizer_json: str, around: list[int]) -> Pieces:
    """Vocabulary of a ``tokenizer.json``; `around` are the two ids that it puts around a text.

    Raises:
        ExportError: no WordPiece vocabulary, or one that the device's code does not read.
    """
    content = json.loads(tokenizer_json)
    model = content["model"]
    if model.get("type") != "WordPiece" or model.get("continuing_subword_prefix") != "##":
        raise ExportError(f"the tokenizer is {model.get('type')!r}; the C code reads WordPiece vocabularies with '##'.")
    vocabulary: dict[str, int] = dict(model["vocab"])
    added = content.get("added_tokens") or []
    for token in added:
        if any(token.get(key) for key in ("normalized", "single_word", "lstrip", "rstrip")):
            raise ExportError(f"the tokenizer's added token {token['content']!r} has rules that the C code lacks.")
        vocabulary.setdefault(token["content"], token["id"])
    if len(around) != 2:
        raise ExportError(f"the tokenizer puts {len(around)} tokens around a text, expected [CLS] and [SEP].")
    order = sorted(vocabulary, key=lambda piece: piece.encode())
    if len(order) > 0xFFFF:
        raise ExportError(f"the vocabulary has {len(order)} pieces, the C code numbers up to {0xFFFF}.")
    if max(len(piece.encode()) for piece in order) > 255:
        raise ExportError("the vocabulary has a piece of more than 255 bytes, which the C code does not read.")
    place = {piece: i for i, piece in enumerate(order)}
    by_id = {vocabulary[piece]: i for piece, i in place.items()}
    within = [i for i, piece in enumerate(order) if piece.startswith("##")]
    return Pieces(
        sorted=tuple(piece.encode() for piece in order),
        ids=tuple(vocabulary[piece] for piece in order),
        inside=(within[0], within[-1] + 1) if within else (0, 0),
        cls=by_id[around[0]],
        sep=by_id[around[1]],
        unk=place[model["unk_token"]],
        specials=tuple((token["content"], place[token["content"]]) for token in added),
        word_characters=int(model.get("max_input_chars_per_word", 100)),
    )


def read_reading(tokenizer_json: str) -> Reading:
    """Tables for the normaliser and pre-tokenizer of a ``tokenizer.json``.

    Characters that the vocabulary lacks stay as they are where that changes no word and no token.

    Raises:
        ExportError: steps that the device's code does not know.
    """
    content = json.loads(tokenizer_json)
    steps, emoji = _steps(content)
    bert = steps["BertNormalizer"]
    rules = (bert.get("strip_accents"), bool(bert["lowercase"]), bool(bert["handle_chinese_chars"]))
    classes, folds = _tables(*rules, steps.get("folded"), emoji, emoji is not None)
    letters = {piece.removeprefix("##") for piece in content["model"]["vocab"]}
    known = {ord(letter) for letter in letters if len(letter) == 1}
    kept = {c: to for c, to in folds.items() if _matters(c, to, classes, known, lower=rules[1])}
    runs: list[tuple[int, int]] = [(0, DROP)]
    for c in sorted(classes):
        # the class of a character that is always unfolded first is never asked for
        if c not in kept and classes[c] != runs[-1][1]:
            runs.append((c, classes[c]))
    return Reading(emoji is not None, rules[1], tuple(runs), kept)


def _steps(content: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The BERT normaliser's settings and, of a chat tokenizer, the patterns of folded characters and of emoji."""
    strange = ExportError(
        "the tokenizer normalises in steps that the C code does not know; it reads those of our trimmed vocabulary "
        "and of a plain BERT tokenizer."
    )
    normalizer, pre = content.get("normalizer") or {}, content.get("pre_tokenizer") or {}
    if normalizer.get("type") == "BertNormalizer" and pre.get("type") == "BertPreTokenizer":
        steps, emoji = {"BertNormalizer": normalizer}, None
    else:
        chain, splits = normalizer.get("normalizers") or [], pre.get("pretokenizers") or []
        kinds = [step["type"] for step in chain]
        expected = ["NFKC", *["Replace"] * (len(EMOTICONS) + 1), "BertNormalizer", "Replace"]
        if kinds != expected or [s["type"] for s in splits] != ["Split", "BertPreTokenizer"]:
            raise strange
        replaced = [(step["pattern"].get("Regex"), step["content"]) for step in chain if step["type"] == "Replace"]
        folded = replaced[-2]
        if replaced[:-2] != list(EMOTICONS) or replaced[-1] != (ELONGATION, "") or folded[1] != "":
            raise strange
        if splits[0]["behavior"] != "Isolated" or splits[0].get("invert"):
            raise strange
        emoji = splits[0]["pattern"].get("Regex")
        steps = {"BertNormalizer": chain[-2], "folded": folded[0]}
        if emoji is None or folded[0] is None:
            raise strange
    if not steps["BertNormalizer"].get("clean_text"):
        raise strange
    return steps, emoji


def _blocks() -> Iterator[list[int]]:
    for start in range(0, len(_PROBED), _BLOCK):
        yield list(_PROBED[start : start + _BLOCK])


def _matching(pattern: str) -> set[int]:
    """All code points that a pattern of one character matches, as the tokenizer's own engine sees it."""
    remove = normalizers.Replace(Regex(pattern), "")
    return {
        c for block in _blocks() for c in set(block) - set(map(ord, remove.normalize_str("".join(map(chr, block)))))
    }


@lru_cache(maxsize=4)  # half a million code points through five steps take seconds
def _tables(
    strip: bool | None, lower: bool, ideographs: bool, folded: str | None, emoji: str | None, compose: bool
) -> tuple[dict[int, int], dict[int, tuple[int, ...]]]:
    """Class bits of every code point, and the plain characters of each that is not plain."""
    bert = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=strip, lowercase=lower)
    spaces, digits, letters = _matching(r"\s"), _matching(r"\d"), _matching(r"\w")
    plain: dict[int, str] = {}
    for block in _blocks():
        # a line feed comes out as a space, so that one call answers for the whole block
        asked = [c for c in block if c not in spaces]
        plain.update(zip(asked, bert.normalize_str("\n".join(map(chr, asked))).split(" "), strict=True))
        plain.update((c, bert.normalize_str(chr(c))) for c in block if c in spaces)
    dropped = {c for c, to in plain.items() if to == ""} | (_matching(folded) if folded else set())
    isolated = {ord(word[1:]) for word in _split(c for c in _PROBED if c not in spaces)}
    pictures = _matching(emoji) if emoji else set()
    pad = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    padded = set()
    for block in _blocks() if ideographs else ():
        shown = pad.normalize_str("\n".join(chr(c) for c in block if c != 0x0A)).split("\n")
        padded |= {ord(c[1]) for c in shown if len(c) > 1}
    bits = ((dropped, DROP), (spaces, SPACE), (isolated, PUNCTUATION), (digits, DIGIT), (letters, LETTER))
    classes = dict.fromkeys(_PROBED, 0)
    for members, bit in (*bits, (pictures, EMOJI), (padded, IDEOGRAPH)):
        for c in members:
            classes[c] |= bit
    folds: dict[int, tuple[int, ...]] = {}
    unfold = normalizers.NFKC()
    for c in _PROBED[127:]:
        first = unfold.normalize_str(chr(c)) if compose else chr(c)
        to: list[int] = []
        for d in map(ord, first):
            # ASCII keeps its case until the emoticons are read; what is dropped later is still seen by them
            if d < 0x80 or d in dropped or d in spaces:
                to.append(d)
            else:
                to += [e if e == d else e | STRIPPED for e in map(ord, plain[d])]
        if to != [c]:
            folds[c] = tuple(to)
    return classes, folds


def _split(characters: Iterable[int]) -> Iterator[str]:
    """``"a"`` and a character, for each one that the pre-tokenizer takes off the letter before it."""
    split = pre_tokenizers.BertPreTokenizer()
    for c in characters:
        if len(split.pre_tokenize_str(f"a{chr(c)}")) > 1:
            yield f"a{chr(c)}"


def _matters(c: int, to: tuple[int, ...], classes: dict[int, int], known: set[int], *, lower: bool) -> bool:
    """Whether unfolding a character can change a token: else it is as unknown before as after."""

    def splits(d: int) -> bool:
        return classes.get(d, 0) & (SPACE | PUNCTUATION | EMOJI | IDEOGRAPH | DROP) != 0

    plain = [d & ~STRIPPED for d in to]
    if len(plain) == 1 and classes[c] & classes.get(plain[0], 0) & IDEOGRAPH and not known & {c, plain[0]}:
        return False
    small = [ord(chr(d).lower()) if lower and d < 0x80 else d for d in plain]
    readable = all(d in known for d in small)
    same_kind = all((classes.get(d, 0) ^ classes[c]) & LETTER == 0 for d in plain)
    return readable or not same_kind or c in known or splits(c) or any(splits(d) for d in plain)

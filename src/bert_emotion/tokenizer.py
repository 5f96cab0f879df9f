"""Text to token ids. The only module that imports ``tokenizers``.

Normalisation, emoji and word pieces all stand in the model's ``tokenizer.json``, so that this runtime and a
transformers pipeline on the same folder read a text alike. Here only what that file cannot do is done:
lone surrogates, and texts longer than the model's window.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from bert_emotion.errors import ModelError


@dataclass(frozen=True)
class Tokens:
    """A tokenised text, without the special tokens.

    Attributes:
        ids: token ids.
        text: the text that was read, to which the offsets refer.
        unknown: share of tokens that the vocabulary does not know, 0-1.
    """

    ids: list[int]
    text: str
    unknown: float
    _encoding: Encoding

    def ends(self) -> list[int]:
        """For every token the position in the text just behind it (slow to build: only windows need it)."""
        return [end for _, end in self._encoding.offsets]


class TextTokenizer:
    """Reads texts with the ``tokenizer.json`` of a model."""

    def __init__(self, path: Path) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a malformed file
            raise ModelError(f"{path} is not a tokenizer.json ({error}). Restore the model.") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # what the tokenizer itself puts around a text: [CLS] and [SEP] of BERT, <s> and </s> of its relatives
        around = self._tokenizer.encode("").ids
        if len(around) != 2:
            raise ModelError(f"{path} puts {len(around)} tokens around a text, expected one [CLS] and one [SEP].")
        self.cls, self.sep = around
        found = (self._tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>"))
        # a byte-level vocabulary knows everything
        self.unk = next((int(unknown) for unknown in found if unknown is not None), -1)

    def encode(self, text: str) -> Tokens:
        """Tokens of any ``str``; surrogate pairs are joined, lone surrogates read as U+FFFD."""
        text = sound(text)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids: list[int] = encoding.ids
        unknown = ids.count(self.unk) / len(ids) if ids else 0.0
        return Tokens(ids, text, unknown, encoding)


def sound(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced, so that it has a UTF-8 form."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text

"""A smaller vocabulary for a WordPiece encoder: what English chat needs, plus emoji and chat words.

A published BERT vocabulary spends most of a small model's bytes on words that never come up, and has
no emoji. Here the pieces that a corpus uses are kept by frequency, every single character piece stays
(so that no text that could be read before becomes unreadable), and emoji and chat words are added, each
starting from the mean of the embeddings of the words that describe it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import emoji
import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SARCASM_TAG = "sarcasmtag"

# Emoji in the wide sense: the pictograph blocks and the dingbats. One token each, whatever surrounds them.
_EMOJI_RANGE = "\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a-\u23ff"
# Skin tones and the gender signs of joined emoji are folded away; joiners and variation selectors fall to
# the BERT normaliser, which drops control characters and combining marks.
_FOLDED = "\U0001f3fb-\U0001f3ff\u2640\u2642"

# Western emoticons become the emoji they stand for, so that they share its meaning.
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
    (r"(?<!\S)/s(?!\w)", f" {SARCASM_TAG} "),
)

CHAT_WORDS: dict[str, str] = {
    "lol": "laughing out loud", "lmao": "laughing so hard", "lmfao": "laughing so hard", "rofl": "rolling laughing",
    "haha": "laughing", "hahaha": "laughing", "hehe": "giggling", "ngl": "not going to lie", "omg": "oh my god",
    "omfg": "oh my fucking god", "smh": "shaking my head disappointed", "tbh": "to be honest", "idk": "i do not know",
    "idc": "i do not care", "imo": "in my opinion", "imho": "in my opinion", "wtf": "what the fuck",
    "wth": "what the hell", "btw": "by the way", "fml": "my life is awful", "ffs": "for fuck sake",
    "istg": "i swear to god", "irl": "in real life", "ily": "i love you", "ilysm": "i love you so much",
    "xoxo": "hugs and kisses", "jk": "just kidding", "asap": "as soon as possible", "bff": "best friend",
    "fomo": "fear of missing out", "atm": "at the moment", "cuz": "because", "goat": "greatest of all time",
    "hmu": "message me", "ikr": "i know right", "nvm": "never mind", "omw": "on my way", "pls": "please",
    "plz": "please", "ppl": "people", "sus": "suspicious", "thx": "thanks", "tho": "though",
    "tmi": "too much information", "tysm": "thank you so much", "wdym": "what do you mean", "yall": "you all",
    "yay": "hooray happy", "yikes": "shocked embarrassed", "ugh": "annoyed", "eww": "disgusting", "ew": "disgusting",
    "meh": "indifferent", "bruh": "brother really", "fr": "for real", "lowkey": "a bit secretly",
    "highkey": "very openly", "deadass": "seriously", "gonna": "going to", "wanna": "want to", "gotta": "have to",
    "dunno": "do not know", "kinda": "kind of", "sorta": "sort of", "lemme": "let me", "gimme": "give me",
    "dont": "do not", "cant": "can not", "didnt": "did not", "wont": "will not", "im": "i am", "ive": "i have",
    "doesnt": "does not", "isnt": "is not", "wasnt": "was not", "couldnt": "could not", "shouldnt": "should not",
    "wouldnt": "would not", "thats": "that is", "whats": "what is", "youre": "you are", "hmm": "thinking unsure",
    "huh": "what confused", "wow": "amazed", "whoa": "amazed", "argh": "frustrated", "grr": "angry",
    "phew": "relieved", "oops": "mistake sorry", "yuck": "disgusting", "gross": "disgusting", "cringe": "embarrassing",
    SARCASM_TAG: "sarcastic irony",
}  # fmt: skip


@dataclass(frozen=True)
class Vocabulary:
    """A trimmed tokenizer and where each of its rows starts from in the old embedding table.

    Attributes:
        tokenizer_json: content of ``tokenizer.json``.
        start: for every new id the old ids whose mean embedding it starts from.
    """

    tokenizer_json: str
    start: tuple[tuple[int, ...], ...]

    def embed(self, table: np.ndarray) -> np.ndarray:
        """The new embedding table, float32 (new vocabulary, hidden), from the old one (old vocabulary, hidden)."""
        return np.stack([table[list(ids)].mean(axis=0) for ids in self.start]).astype(np.float32)


def all_emoji() -> dict[str, str]:
    """Every emoji that is one character after folding, with the words of its name."""
    found: dict[str, str] = {}
    fold = re.compile(f"[{_FOLDED}\u200d\ufe0f]")
    for sequence, entry in emoji.EMOJI_DATA.items():
        base = fold.sub("", sequence)
        if len(base) == 1 and re.match(f"[{_EMOJI_RANGE}]", base) and base not in found:
            found[base] = re.sub(r"[^a-z0-9]+", " ", entry["en"].lower()).strip()
    return found


def _pipeline(tokenizer: Tokenizer) -> None:
    """Text to word pieces; all of it stands in ``tokenizer.json``, so every runtime reads texts alike."""
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),  # full-width and styled letters become plain ones
            *(normalizers.Replace(Regex(pattern), content) for pattern, content in EMOTICONS),
            normalizers.Replace(Regex(f"[{_FOLDED}]"), ""),
            normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True),
            # three or more equal characters become two: "soooo!!!!" and "soo!!" are one text
            normalizers.Replace(Regex(r"([^\s\d])(?=\1\1)"), ""),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(f"[{_EMOJI_RANGE}]"), "isolated"), pre_tokenizers.BertPreTokenizer()]
    )


def count_pieces(base: Tokenizer, texts: Iterable[str], batch: int = 10_000) -> Counter[str]:
    """How often each piece of the old vocabulary is used by `texts` under the new normalisation."""
    counts: Counter[int] = Counter()
    chunk: list[str] = []

    def flush() -> None:
        for encoding in base.encode_batch_fast(chunk, add_special_tokens=False):
            counts.update(encoding.ids)
        chunk.clear()

    for text in texts:
        chunk.append(text)
        if len(chunk) >= batch:
            flush()
    flush()
    return Counter({str(base.id_to_token(i)): n for i, n in counts.items()})


def trim(base_json: str, texts: Iterable[str], size: int, max_length: int) -> Vocabulary:
    """Build a vocabulary of `size` pieces out of a BERT one.

    Args:
        base_json: ``tokenizer.json`` of a lower-casing WordPiece encoder.
        texts: corpus whose pieces are counted.
        size: pieces to keep, special tokens, emoji and chat words included.
        max_length: truncation length in tokens, special tokens included.
    """
    old: dict[str, int] = json.loads(base_json)["model"]["vocab"]
    base = Tokenizer(models.WordPiece(old, unk_token="[UNK]", max_input_chars_per_word=100))
    _pipeline(base)
    counts = count_pieces(base, texts)

    def pieces(words: str) -> tuple[int, ...]:
        ids = tuple(i for i in base.encode(words, add_special_tokens=False).ids if i != old["[UNK]"])
        return ids or (old["[UNK]"],)

    start: dict[str, tuple[int, ...]] = {token: (old[token],) for token in SPECIAL}
    # single characters of the Latin script and of the corpus: the fallback that spells any word
    for token, i in old.items():
        bare = token.removeprefix("##")
        if len(bare) == 1 and (ord(bare) < 0x250 or counts[token]):
            start.setdefault(token, (i,))
    added = {**all_emoji(), **CHAT_WORDS}
    for token, words in added.items():
        start.setdefault(token, (old[token],) if token in old else pieces(words))
    for token, _ in counts.most_common():
        if len(start) >= size:
            break
        if token in old:
            start.setdefault(token, (old[token],))
    vocab = {token: i for i, token in enumerate(start)}
    trimmed = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    _pipeline(trimmed)
    trimmed.add_special_tokens(list(SPECIAL))
    trimmed.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    trimmed.enable_truncation(max_length)
    return Vocabulary(trimmed.to_str(), tuple(start.values()))

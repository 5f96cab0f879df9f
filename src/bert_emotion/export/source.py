"""What every export starts from: a model folder of ours, read back into torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from bert_emotion import artifact
from bert_emotion.artifact import ModelConfig
from bert_emotion.errors import ExportError
from bert_emotion.labels import emoji_of
from bert_emotion.tokenizer import sound


@dataclass(frozen=True)
class Source:
    """A model to export.

    Attributes:
        config: its settings (labels, longest input, temperature, threshold, folder).
        model: the float32 torch classifier, in evaluation mode; reference of every parity check.
        tokenizer_json: content of its ``tokenizer.json``.
    """

    config: ModelConfig
    model: Any
    tokenizer_json: str

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, without padding and truncation."""
        tokenizer = Tokenizer.from_str(self.tokenizer_json)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def ids(self, text: str, max_length: int | None = None) -> list[int]:
        """Ids of a text with [CLS] and [SEP], cut behind `max_length` tokens (default: the model's own)."""
        limit = max_length or self.config.max_length
        ids: list[int] = self.tokenizer.encode(sound(text)).ids
        return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]

    def logits(self, texts: list[str], max_length: int | None = None) -> np.ndarray:
        """Reference logits, float32 (n, labels), of the torch model; each text cut at `max_length` tokens."""
        from bert_emotion.training.encoder import logits_of

        logits: np.ndarray = logits_of(self.model, [self.ids(text, max_length) for text in texts], bf16=False)
        return logits

    def settings(self) -> dict[str, Any]:
        """What a device must know, in plain JSON types: labels and emoji, calibration, longest input."""
        return {
            "name": self.config.name,
            "labels": [
                {"id": i, "label": label, "emoji": emoji_of(label)} for i, label in enumerate(self.config.labels)
            ],
            "multi_label": self.config.multi_label,
            "max_length": self.config.max_length,
            "temperature": self.config.temperature,
            "threshold": self.config.threshold,
            "label_thresholds": list(self.config.label_thresholds),
        }


def read_source(model: str | Path | None) -> Source:
    """Read a model for export; float32 weights where the folder has them, else the int8 ones read back.

    Raises:
        ModelError: no such model, or an incomplete or altered folder.
        ExportError: another architecture than BERT.
    """
    from bert_emotion.training.encoder import load_classifier

    config = artifact.load_config(model)
    kind = artifact.read_config_json(config.folder).get("model_type")
    if kind != "bert":
        raise ExportError(f"{config.folder} is a {kind!r} model; exports are made for 'bert' alone.")
    if not any((config.folder / file).is_file() for file in ("model.safetensors", artifact.ONNX)):
        raise ExportError(f"{config.folder} is an export itself; export from the model that it was made of.")
    network, _ = load_classifier(config.folder)
    return Source(config, network, config.tokenizer_path.read_text(encoding="utf-8"))

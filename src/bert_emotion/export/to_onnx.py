"""Format ``onnx``: the float32 network in the layout of optimum and transformers.js (``onnx/model.onnx``)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion import artifact
from bert_emotion.export import onnx as onnx_export
from bert_emotion.export.source import Source
from bert_emotion.training.encoder import write_tokenizer_config

REQUIRES: tuple[tuple[str, str], ...] = ()
MIN_EQUAL_LABELS = 0.998
FILE = "onnx/model.onnx"


def max_length(source: Source) -> int:
    """All that the model reads."""
    return source.config.max_length


def write(source: Source, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Write the network, and the tokenizer and configuration beside it."""
    copy_description(source, folder)
    (folder / FILE).parent.mkdir()
    say("float32 ONNX")
    onnx_export.export_fp32(source.model, folder / FILE)
    return {"opset": onnx_export.OPSET, "inputs": ["input_ids", "attention_mask"], "output": "logits"}


def copy_description(source: Source, folder: Path) -> None:
    """Configuration and tokenizer, in the files that Hugging Face libraries read."""
    (folder / artifact.TOKENIZER).write_text(source.tokenizer_json, encoding="utf-8")
    config = artifact.read_config_json(source.config.folder)
    (folder / artifact.CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    theirs = source.config.folder / "tokenizer_config.json"
    if theirs.is_file():
        shutil.copyfile(theirs, folder / theirs.name)
    else:  # an installed package leaves it out
        write_tokenizer_config(folder, source.config.max_length)


def run(source: Source, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits by onnxruntime."""
    return onnx_export.run(folder / FILE, [source.ids(text) for text in texts])


def usage(source: Source, facts: dict[str, Any]) -> str:
    """Lines for onnxruntime, optimum and transformers.js."""
    return f"""\
Python, with `pip install onnxruntime tokenizers numpy`:

```python
import numpy as np, onnxruntime, tokenizers

tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
session = onnxruntime.InferenceSession("{FILE}")
ids = np.array([tokenizer.encode("i love you").ids])
logits = session.run(None, {{"input_ids": ids, "attention_mask": np.ones_like(ids)}})[0]
```

optimum: `ORTModelForSequenceClassification.from_pretrained(FOLDER, subfolder="onnx")`.
JavaScript: `await pipeline("text-classification", FOLDER, {{dtype: "fp32"}})` of `@huggingface/transformers`."""

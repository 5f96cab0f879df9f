"""``litert``: one ``.tflite`` file with int8 weights and float activations, for texts of any length.

Embeddings and matrices are int8 with one scale a row; the runtime rounds the activations of each token by itself,
so that a text's answer does not hang on its neighbours. The length is free: no file a length, nothing is padded.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion import artifact
from bert_emotion.errors import ExportError
from bert_emotion.export.deliver import Say
from bert_emotion.export.litert_bert import Bert, weights_of
from bert_emotion.export.source import Source
from bert_emotion.litert import LitertEngine

REQUIRES = (("ai_edge_litert", "litert"),)
MIN_EQUAL_LABELS = 0.985

NETWORK = artifact.NETWORKS["litert"]
_OPENING_LENGTH = 16


def max_length(source: Source) -> int:
    """The model's own."""
    return source.config.max_length


def write(source: Source, folder: Path, say: Say) -> dict[str, Any]:
    """Write ``model.tflite`` beside the tokenizer and the settings of the model."""
    say("writing model.tflite")
    graph = Bert(weights_of(source.model), _OPENING_LENGTH, free=True, int8=True, micro=False).graph
    graph.save(folder / NETWORK, f"bert-emotion {source.config.name}, weights int8, any length")
    (folder / artifact.TOKENIZER).write_text(source.tokenizer_json, encoding="utf-8")
    shutil.copyfile(source.config.folder / artifact.CONFIG, folder / artifact.CONFIG)
    return {"bytes": (folder / NETWORK).stat().st_size, "operators": len(graph.operators)}


def run(source: Source, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits, float32 (n, labels), by the engine of the runtime."""
    engine = LitertEngine(folder / NETWORK)
    rows = [np.array([source.ids(text)], dtype=np.int64) for text in texts]
    try:
        return np.concatenate([engine(row, np.ones_like(row)) for row in rows])
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"LiteRT cannot run the network: {str(error).strip()}; nothing was written.") from error


def usage(source: Source, facts: dict[str, Any]) -> str:
    """Markdown: the classifier on this folder, and LiteRT alone."""
    return f"""
## Use it

With this package (`pip install 'bert-emotion[litert]'`):

```python
from bert_emotion import EmotionClassifier

EmotionClassifier("this/folder", runtime="litert").predict("i love you")
```

With LiteRT alone, on any of its platforms: `{NETWORK}` ({facts["bytes"] / 1e6:.1f} MB, {facts["operators"]} operators)
takes the token ids of one text ([CLS] … [SEP], made by `tokenizer.json`) and their positions 0, 1, 2 …, both int32
of the text's own length (at most {source.config.max_length}), and gives the logits, float32
(1, {len(source.config.labels)}). Nothing is padded; resize both inputs to the text.

```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

ids = Tokenizer.from_file("tokenizer.json").encode("i love you").ids
model = Interpreter("{NETWORK}", num_threads=1)
for entry, values in zip(model.get_input_details(), (ids, range(len(ids)))):
    model.resize_tensor_input(entry["index"], [len(ids)])
model.allocate_tensors()
for entry, values in zip(model.get_input_details(), (ids, range(len(ids)))):
    model.set_tensor(entry["index"], np.array(values, dtype=np.int32))
model.invoke()
logits = model.get_tensor(model.get_output_details()[0]["index"])[0]
```
"""

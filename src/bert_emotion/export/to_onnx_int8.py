"""Format ``onnx-int8``: the network that ``EmotionClassifier`` itself runs, as a whole model folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion import artifact
from bert_emotion.export import onnx as onnx_export
from bert_emotion.export.package import write_manifest
from bert_emotion.export.parity import parity_texts
from bert_emotion.export.source import Source
from bert_emotion.export.to_onnx import copy_description

REQUIRES: tuple[tuple[str, str], ...] = ()
MIN_EQUAL_LABELS = 0.95


def max_length(source: Source) -> int:
    """All that the model reads."""
    return source.config.max_length


def write(source: Source, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Quantise the network, or copy it where the source has no better weights than its int8 ones."""
    copy_description(source, folder)
    target = folder / artifact.ONNX
    target.parent.mkdir()
    if (source.config.folder / "model.safetensors").is_file():
        say("float32 ONNX, fused and quantised")
        fp32 = folder / "fp32.onnx"
        onnx_export.export_fp32(source.model, fp32)
        shape = source.model.config
        ids = [source.ids(text) for text in parity_texts()[0][::3]]
        onnx_export.quantize(fp32, target, heads=shape.num_attention_heads, hidden=shape.hidden_size, ids=ids)
        fp32.unlink()
    else:
        say("the int8 network of the source")
        shutil.copyfile(source.config.network_path, target)
    write_manifest(folder, {"name": source.config.name, "licence": "as the source"})
    return {"opset": onnx_export.OPSET, "weights": "int8, one scale a column", "activations": "int8, dynamic"}


def run(source: Source, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits by onnxruntime."""
    return onnx_export.run(folder / artifact.ONNX, [source.ids(text) for text in texts])


def usage(source: Source, facts: dict[str, Any]) -> str:
    """Lines for this package and for transformers.js."""
    return f"""\
```python
from bert_emotion import EmotionClassifier

EmotionClassifier("FOLDER").predict("i love you")
```

JavaScript: `await pipeline("text-classification", FOLDER, {{dtype: "q8"}})` of `@huggingface/transformers` reads
`{artifact.ONNX}`. A text's scores depend on its neighbours in a padded int8 batch: run texts one by one."""

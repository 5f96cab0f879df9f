"""``litert-micro``: integer networks for TensorFlow Lite Micro, and the embedding table that the device indexes.

Two networks are written, since both have their place: int16 activations, which answer as the float32 model does,
and int8 activations, which take two thirds of the memory and have the faster kernels. Parity is demanded of int16.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion.errors import ExportError
from bert_emotion.evaluation.metrics import accuracy
from bert_emotion.export.deliver import Say
from bert_emotion.export.litert_bert import Bert, Weights, int8_rows, weights_of
from bert_emotion.export.litert_graph import Graph
from bert_emotion.export.litert_static import CALIBRATION, MASKED, measure, quantise
from bert_emotion.export.parity import parity_texts
from bert_emotion.export.source import Source

REQUIRES = (("ai_edge_litert", "litert"), ("tflite_micro", "litert-micro"))
MIN_EQUAL_LABELS = 0.985

LENGTH = 32
"""Tokens that the device reads at a time; memory and time grow with it."""

NETWORK, NETWORK_INT8 = "model.tflite", "model_int8.tflite"
EMBEDDINGS, SCALES = "embeddings.bin", "embedding_scales.bin"
DEVICE = "device.json"

_RUNTIME = "tflite_micro.python.tflite_micro.runtime"
_PROBE = f"import sys, {_RUNTIME} as r; r.Interpreter.from_file(sys.argv[1], arena_size=int(sys.argv[2])).invoke()"
_ARENA_STEP = 1 << 10
_LARGEST_ARENA = 64 << 20
_EVERY = 5
"""The int8 network is measured on every fifth parity text: a figure to choose by, nothing is refused for it."""


def max_length(source: Source) -> int:
    """``LENGTH``, or the model's own where it is shorter."""
    return min(LENGTH, source.config.max_length)


def write(source: Source, folder: Path, say: Say) -> dict[str, Any]:
    """Write both networks, the embedding table and the vocabulary; returns sizes and arenas in bytes."""
    weights, length = weights_of(source.model), max_length(source)
    table, scales = int8_rows(weights.words)
    table.tofile(folder / EMBEDDINGS)
    scales.astype("<f4").tofile(folder / SCALES)
    vocabulary = source.tokenizer.get_vocab(with_added_tokens=True)
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").write_text(source.tokenizer_json, encoding="utf-8")
    say(f"calibrating on {len(_calibration_texts())} texts")
    words = table.astype(np.float32) * scales[:, None]
    ranges = measure(_calibration_runs(source, weights, words, length))
    graph = Bert(weights, length, free=False, int8=False, micro=True).graph
    facts: dict[str, Any] = {
        "length": length,
        "hidden": table.shape[1],
        "vocabulary": len(table),
        "mask_of_padding": MASKED,
        "embedding_bytes": table.nbytes + scales.nbytes,
    }
    for bits, name in ((16, NETWORK), (8, NETWORK_INT8)):
        network = quantise(graph, ranges, bits, mask=graph.inputs[1])
        network.save(folder / name, f"bert-emotion {source.config.name}, int{bits} activations, {length} tokens")
        arena = smallest_arena(folder / name)
        say(f"int{bits}: {(folder / name).stat().st_size} bytes, arena {arena} bytes")
        facts[f"int{bits}"] = {"file": name, "bytes": (folder / name).stat().st_size, "arena_bytes": arena}
        facts["operators"] = sorted({operator.code for operator in network.operators})
    (folder / DEVICE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    texts = parity_texts()[0][::_EVERY]
    say(f"int8 on {len(texts)} texts")
    found = _logits(source, folder, texts, "int8").argmax(1)
    equal = accuracy(source.logits(texts, length).argmax(1), found)
    facts["int8"] |= {"equal_labels": round(equal, 4), "texts": len(texts)}
    return facts


def run(source: Source, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits, float32 (n, labels), of the int16 network by TensorFlow Lite Micro, in the smallest arena."""
    return _logits(source, folder, texts, "int16")


def smallest_arena(network: Path) -> int:
    """Bytes of memory that TensorFlow Lite Micro needs for a network on this machine, to within 1 KB.

    A processor with 32-bit addresses needs less: the tables of pointers are half as long.

    Raises:
        ExportError: it does not run in 64 MB.
    """
    enough = 64 << 10
    while failure := _try(network, enough):
        enough *= 2
        if enough > _LARGEST_ARENA:
            raise ExportError(f"TensorFlow Lite Micro cannot run the network ({failure}); nothing was written.")
    low, high = enough // 2, enough
    while high - low > _ARENA_STEP:
        middle = (low + high) // 2
        low, high = (middle, high) if _try(network, middle) else (low, middle)
    return high


def _try(network: Path, arena: int) -> str:
    """Load and run a network in an arena; returns why it cannot, or "" where it can.

    In a process of its own: in a small arena the library may fall over instead of saying so.
    """
    command = [sys.executable, "-c", _PROBE, str(network), str(arena)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0:
        return ""
    told = done.stderr.decode(errors="replace").strip().splitlines()
    return told[-1] if told else f"exit status {done.returncode}"


def _logits(source: Source, folder: Path, texts: list[str], kind: str) -> np.ndarray:
    facts = json.loads((folder / DEVICE).read_text(encoding="utf-8"))
    table = np.fromfile(folder / EMBEDDINGS, dtype=np.int8).reshape(facts["vocabulary"], facts["hidden"])
    scales = np.fromfile(folder / SCALES, dtype="<f4")
    network = (folder / facts[kind]["file"]).read_bytes()
    runtime = importlib.import_module(_RUNTIME)
    interpreter = runtime.Interpreter.from_bytes(network, arena_size=facts[kind]["arena_bytes"])
    out = []
    for text in texts:
        embeddings, mask = device_inputs(source.ids(text, facts["length"]), table, scales, facts["length"])
        interpreter.set_input(embeddings, 0)
        interpreter.set_input(mask, 1)
        interpreter.invoke()
        out.append(np.array(interpreter.get_output(0)[0], dtype=np.float32))
    return np.stack(out)


def device_inputs(ids: list[int], table: np.ndarray, scales: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """What the device writes into the network's inputs.

    Args:
        ids: token ids of one text, at most `length`.
        table: int8 (vocabulary, hidden).
        scales: float32 (vocabulary,).
        length: tokens of the network.

    Returns:
        Word embeddings, float32 (length, hidden), 0 for padding; and the mask, float32 (1, length), 0 for a token
        and ``MASKED`` for padding.
    """
    embeddings = np.zeros((length, table.shape[1]), dtype=np.float32)
    embeddings[: len(ids)] = table[ids] * scales[ids, None]
    mask = np.full((1, length), MASKED, dtype=np.float32)
    mask[0, : len(ids)] = 0
    return embeddings, mask


def _calibration_texts() -> list[str]:
    return CALIBRATION.read_text(encoding="utf-8").splitlines()


def _calibration_runs(
    source: Source, weights: Weights, words: np.ndarray, length: int
) -> Iterator[tuple[Graph, dict[int, np.ndarray]]]:
    """The float network on the calibration texts, each in its own length: padding has no say in the ranges."""
    graph = None
    for ids in sorted((source.ids(text, length) for text in _calibration_texts()), key=len):
        if graph is None or graph.shape(graph.inputs[1])[1] != len(ids):
            graph = Bert(weights, len(ids), free=False, int8=False, micro=True).graph
        embeddings, mask = graph.inputs
        yield graph, {embeddings: words[ids], mask: np.zeros((1, len(ids)), dtype=np.float32)}


def usage(source: Source, facts: dict[str, Any]) -> str:
    """Markdown: files, sizes and the C++ lines of the device."""
    method = {"BATCH_MATMUL": "BatchMatMul"}
    names = [method.get(code, "".join(map(str.capitalize, code.split("_")))) for code in facts["operators"]]
    adds = "\n".join(f"resolver.Add{name}();" for name in names)
    labels, length, hidden = len(source.config.labels), facts["length"], facts["hidden"]
    small, exact = facts["int8"], facts["int16"]
    return f"""
## What the device holds

| file | bytes | |
|-|-|-|
| `{exact["file"]}` | {exact["bytes"]:,} | int16 activations, arena {exact["arena_bytes"]:,} bytes; parity below |
| `{small["file"]}` | {small["bytes"]:,} | int8 activations, arena {small["arena_bytes"]:,} bytes; \
{small["equal_labels"]:.1%} of {small["texts"]} texts keep their label |
| `{EMBEDDINGS}` | {facts["vocabulary"] * hidden:,} | int8 ({facts["vocabulary"]}, {hidden}), a row a token |
| `{SCALES}` | {facts["vocabulary"] * 4:,} | float32, little-endian, one a row |
| `vocab.txt`, `tokenizer.json` | | pieces in id order; and all steps from text to ids |

One of the two networks is enough. The arenas are the smallest that work on a 64-bit machine; with 32-bit addresses
they are smaller. Not run on hardware: TensorFlow Lite Micro ran on the host, by its reference kernels.

The device makes the ids itself (lower case, WordPiece; the `c` export holds a tokenizer in C99 that does it) or gets
them from elsewhere.

## Use it

```cpp
tflite::MicroMutableOpResolver<{len(names)}> resolver;
{adds}
tflite::MicroInterpreter interpreter(tflite::GetModel(network), resolver, arena, sizeof arena);
interpreter.AllocateTensors();

float* embeddings = interpreter.input(0)->data.f;  // {length} x {hidden}
float* mask = interpreter.input(1)->data.f;        // {length}
for (int i = 0; i < {length}; i++) {{
  mask[i] = i < count ? 0.0f : {facts["mask_of_padding"]:.1f}f;
  for (int j = 0; j < {hidden}; j++)
    embeddings[i * {hidden} + j] = i < count ? table[ids[i] * {hidden} + j] * scales[ids[i]] : 0.0f;
}}
interpreter.Invoke();
const float* logits = interpreter.output(0)->data.f;  // {labels}
```

Fill the inputs before every call: the arena uses their room for other things meanwhile.
"""

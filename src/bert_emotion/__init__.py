"""BERT-Emotion."""

__version__ = "0.1.0"

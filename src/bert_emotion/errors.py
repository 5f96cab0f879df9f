"""All errors of the package.

BertEmotionError
├── ModelError            a model folder is missing, incomplete, altered or not understood
├── InputError            the given texts, file or column cannot be read as text   (also a ValueError)
├── DataError             a data source is missing, altered or malformed
├── TrainingError         a training run cannot start or resume
├── ExportError           an exported model does not agree with the trained one
└── MissingExtraError     an optional library is not installed                     (also an ImportError)

Every message says what was found, what was expected and what to do. The command line prints it as one
line and exits with the class's ``exit_code``.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import ClassVar


class BertEmotionError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class ModelError(BertEmotionError):
    """A model folder is missing, incomplete, altered or not understood."""

    exit_code = 3


class InputError(BertEmotionError, ValueError):
    """The given texts, file or column cannot be read as text."""

    exit_code = 2


class DataError(BertEmotionError):
    """A data source is missing, altered or malformed."""

    exit_code = 4


class TrainingError(BertEmotionError):
    """A training run cannot start or resume."""

    exit_code = 5


class ExportError(BertEmotionError):
    """An exported model does not agree with the trained one, so it is not written."""

    exit_code = 6


class MissingExtraError(BertEmotionError, ImportError):
    """An optional library is not installed; the message holds the exact pip line."""

    exit_code = 7


def require(module: str, extra: str) -> ModuleType:
    """Import an optional library, or say which extra brings it.

    Args:
        module: dotted name to import, for example ``"torch"``.
        extra: the extra of this distribution that installs it, for example ``"train"``.

    Raises:
        MissingExtraError: when the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name != module and not module.startswith(f"{error.name}."):
            raise  # the library is there but broken inside: its own message says more than ours
        raise MissingExtraError(
            f"this needs '{module}', which is not installed. Run: pip install 'bert-emotion[{extra}]'"
        ) from error

"""``c``: a model as plain C99 for microcontrollers, one generated header beside one hand-written file.

Weights are int8 with a step an output, activations are quantised to int8 row by row while the text is read, sums are
int32, and norms, softmax and GELU are float. The device has neither malloc nor files: constants stay in flash, and
one static workspace holds all that changes.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion.errors import ExportError
from bert_emotion.export.c_header import write_header
from bert_emotion.export.c_text import Pieces, read_pieces, read_reading
from bert_emotion.export.c_weights import Weights, read_weights
from bert_emotion.export.source import Source

REQUIRES: tuple[tuple[str, str], ...] = ()
MIN_EQUAL_LABELS = 0.97

MAX_LENGTH = 32
"""Tokens that the device reads of a text: most messages are shorter, and memory grows with it."""

POSITIONS = 64
"""Positions in the header: ``-DBE_TOKENS=64`` reads longer texts without another export."""

C = Path(__file__).with_name("c")
"""The hand-written files: the classifier, a program for a computer, an ESP32-S3 project, a Cortex-M board."""

SOURCES = ("bert_emotion.c", "bert_emotion.h")
COMPILE = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")

_ESP32 = "esp32-s3"
_ESP32_FLASH_MB = (4, 8, 16)
_ESP32_CODE = 512 * 1024  # the system's own code beside the model, generously
_ESP32_PAGE = 0x10000  # programs begin and end at multiples of it

Say = Callable[[str], None]


def max_length(source: Source) -> int:
    """Tokens that are read of a text: ``MAX_LENGTH``, or less where the model itself reads less."""
    return min(MAX_LENGTH, source.config.max_length)


def write(source: Source, folder: Path, say: Say) -> dict[str, Any]:
    """Write ``model.h``, the C files beside it and the ESP32-S3 example; returns sizes in bytes.

    Raises:
        ExportError: a tokenizer or an architecture that the C code does not know.
    """
    say("quantising")
    pieces = pieces_of(source)
    length = max_length(source)
    weights = read_weights(source.model, pieces.ids, max(length, min(POSITIONS, source.config.max_length)))
    settings = source.settings() | {"max_length": length, "label_thresholds": source.config.label_thresholds}
    say("writing model.h")
    header = write_header(settings, pieces, read_reading(source.tokenizer_json), weights)
    (folder / "model.h").write_text(header.text, encoding="utf-8")
    for name in (*SOURCES, "main.c"):
        shutil.copyfile(C / name, folder / name)
    flash = header.weights + header.vocabulary + header.unicode
    facts: dict[str, Any] = {
        "weights_bytes": header.weights,
        "vocabulary_bytes": header.vocabulary,
        "unicode_bytes": header.unicode,
        "workspace_bytes": workspace_bytes(weights, pieces, length),
        "multiplications": multiplications(weights, length),
        "code_bytes": None,
        "code_bytes_of": None,
        "esp32_s3_flash_mb": _write_esp32(folder / _ESP32, flash),
    }
    for compiler, flags in (("arm-none-eabi-gcc", CORTEX_M7), ("gcc", ())):
        if shutil.which(compiler) and shutil.which(compiler.replace("gcc", "size")):
            facts["code_bytes"] = code_bytes(folder, compiler, ("-Os", *flags))
            facts["code_bytes_of"] = f"{compiler} -Os{' Cortex-M7' if flags else ''}"
            break
    return facts


CORTEX_M7 = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16")
"""Flags of ``arm-none-eabi-gcc`` for a Cortex-M7 with single-precision floats."""


def run(source: Source, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits, float32 (n, labels), of the C files, compiled here by ``cc -O2``.

    Raises:
        ExportError: no compiler, or the program fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        program = compile_host(folder, Path(scratch) / "emotion")
        rows = [[float(word) for word in line.split()] for line in ask(program, "logits", texts)]
    return np.array(rows, dtype=np.float32).reshape(len(texts), len(source.config.labels))


def usage(source: Source, facts: dict[str, Any]) -> str:
    """Markdown: how to call it, try it on a computer, and put it on an ESP32-S3."""
    flash = facts["weights_bytes"] + facts["vocabulary_bytes"] + facts["unicode_bytes"]
    code = f"{facts['code_bytes']:,} bytes of code ({facts['code_bytes_of']})" if facts["code_bytes"] else "the code"
    memory = (
        f"It is C99 without malloc; of the C library it uses `memcpy`, `memset` and `sqrtf`. Flash: {flash:,} bytes of "
        f"constants (weights {facts['weights_bytes']:,}, vocabulary {facts['vocabulary_bytes']:,}, tables of Unicode "
        f"{facts['unicode_bytes']:,}) and {code}. RAM: {facts['workspace_bytes']:,} bytes, static. A text of "
        f"{max_length(source)} tokens takes {facts['multiplications'] / 1e6:.1f} million multiplications, a shorter "
        f"one in proportion. `-DBE_TOKENS=…` changes how many tokens are read, and the RAM with it."
    )
    esp32 = (
        f"`{_ESP32}/` is an example project for an ESP32-S3 with {facts['esp32_s3_flash_mb']} MB of flash "
        f"(PlatformIO: `pio run -t upload`; ESP-IDF: `idf.py build flash`): it answers every line that comes over the "
        f"serial port. **It has been compile-checked against stand-ins of the ESP headers, and not run on hardware.**"
        if facts["esp32_s3_flash_mb"]
        else f"The model is too large for the {_ESP32_FLASH_MB[-1]} MB of flash that an ESP32-S3 has."
    )
    return f"""Add `bert_emotion.c` to the project, keep `bert_emotion.h` and `model.h` beside it:

```c
#include "bert_emotion.h"

float scores[BE_LABELS];
int id = bert_emotion_predict("I love you so much!", scores);
puts(bert_emotion_label[id]); /* unsure where scores[id] < BE_THRESHOLD */
```

{memory}

Try it on a computer:

```sh
cc -std=c99 -O2 main.c bert_emotion.c -lm -o emotion
echo "I love you so much!" | ./emotion
```

{esp32}
"""


def pieces_of(source: Source) -> Pieces:
    """The vocabulary in the device's order."""
    return read_pieces(source.tokenizer_json, source.tokenizer.encode("").ids)


def workspace_bytes(weights: Weights, pieces: Pieces, tokens: int) -> int:
    """``BE_WORKSPACE_BYTES`` of ``bert_emotion.h``."""
    hidden, head, part = (weights.shape[name] for name in ("HIDDEN", "HEAD", "SLICE"))
    floats = 4 * tokens * (2 * hidden + 3 * head + 3)
    return floats + -(-tokens // 4) * 4 * (hidden + part) + 4 * tokens + 4 * pieces.word_characters


def multiplications(weights: Weights, tokens: int) -> int:
    """Products of weights and activations for a text of `tokens` tokens, attention included."""
    layers, hidden, part, slices = (weights.shape[name] for name in ("LAYERS", "HIDDEN", "SLICE", "SLICES"))
    asked = (layers - 1) * tokens + 1  # of the last layer only the first token is worked out
    later = hidden * hidden + 2 * hidden * part * slices
    attention = 2 * hidden * tokens * asked
    return 2 * layers * tokens * hidden**2 + asked * (hidden**2 + later) + attention + hidden**2


def compile_host(folder: Path, program: Path, *flags: str) -> Path:
    """Compile ``main.c`` of an exported folder for this computer; `flags` behind ``-O2``.

    Raises:
        ExportError: no compiler, or it refuses the files.
    """
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if compiler is None:
        raise ExportError(
            "the C export is compiled and run before it is handed over, and no C compiler is found (cc, gcc, clang). "
            "Debian, Ubuntu: sudo apt install gcc libc6-dev; macOS: xcode-select --install."
        )
    command = [compiler, *COMPILE, "-O2", *flags, "main.c", "bert_emotion.c", "-lm", "-o", str(program.absolute())]
    call(command, folder)
    return program


def ask(program: Path, what: str, texts: list[str]) -> list[str]:
    """Lines that the program prints: of ``logits`` or ``tokens`` one a text.

    A zero character, which ends a C string, is given as U+FFFD: the tokenizer leaves out both.
    """
    records = b"".join(text.replace("\0", "\ufffd").encode("utf-8", "replace") + b"\0" for text in texts)
    return call([str(program.absolute()), what], program.parent, records).decode().splitlines()


def call(command: list[str], folder: Path, given: bytes = b"", seconds: float | None = None) -> bytes:
    """Output of a command that is run in `folder`.

    Raises:
        ExportError: it fails, told with its first words, or is not done after so many seconds (None: ever).
    """
    try:
        done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"`{' '.join(command[:1])}` was not done after {seconds:.0f} seconds.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[:500]
        raise ExportError(f"`{' '.join(command[:1])}` failed with exit status {done.returncode}: {said or 'no words'}")
    return done.stdout


def code_bytes(folder: Path, compiler: str, flags: tuple[str, ...]) -> int:
    """Machine code of ``bert_emotion.c`` in bytes, tables and weights left out."""
    with tempfile.TemporaryDirectory() as scratch:
        compiled = Path(scratch) / "bert_emotion.o"
        call([compiler, "-std=c99", *flags, "-c", "bert_emotion.c", "-o", str(compiled)], folder)
        return code_in(compiled, compiler.replace("gcc", "size"))


def code_in(compiled: Path, size: str) -> int:
    """Machine code in an object file in bytes, as the tool `size` (of its compiler) tells."""
    rows = [line.split() for line in call([size, "-A", compiled.name], compiled.parent).decode().splitlines()]
    return sum(int(row[1]) for row in rows if len(row) >= 2 and row[0].startswith(".text"))


def _write_esp32(folder: Path, flash: int) -> int | None:
    """Write the example project; returns the MB of flash that it asks for, None where none is large enough."""
    program = -(-(flash + _ESP32_CODE) // _ESP32_PAGE) * _ESP32_PAGE
    fitting = [size for size in _ESP32_FLASH_MB if program + _ESP32_PAGE <= size << 20]
    if not fitting:
        return None
    shutil.copytree(C / _ESP32, folder)
    for path in folder.rglob("*"):
        if path.is_file():
            filled = path.read_text(encoding="utf-8").replace("@PROGRAM@", f"0x{program:x}")
            path.write_text(filled.replace("@FLASH_MB@", str(fitting[0])), encoding="utf-8")
    return fitting[0]

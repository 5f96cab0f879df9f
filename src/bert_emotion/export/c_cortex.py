"""The C export on an emulated Cortex-M7: same logits as here, bytes and instructions counted."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_emotion.errors import ExportError
from bert_emotion.export import to_c
from bert_emotion.export.source import Source

BOARD = "mps2-an500"
TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
INSTALL = "Debian, Ubuntu: sudo apt install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"

_TICK_NS = 40  # the board's timer runs at 25 MHz, and `-icount shift=0` lets every instruction take 1 ns
_MOST_SECONDS = 200.0  # a text, on a very busy computer
_FIRST_FLASH = 4 << 20
_SPARE = 64 << 10  # of the first flash for code and vectors


@dataclass(frozen=True)
class CortexM:
    """What a Cortex-M7 needs for a model, and how it answers.

    Attributes:
        board: the emulated board.
        optimisation: flag of the compiler.
        code_bytes: machine code of ``bert_emotion.c`` alone.
        flash_bytes: the whole program: start-up, code and all constants, but for the measured texts.
        workspace_bytes: the static workspace.
        texts: how many texts were read.
        instructions_per_text: mean, reading and network together.
        instructions_most: the most of one text.
        max_logit_difference: largest difference of a logit from the host's, compiled from the same files.
    """

    board: str
    optimisation: str
    code_bytes: int
    flash_bytes: int
    workspace_bytes: int
    texts: int
    instructions_per_text: int
    instructions_most: int
    max_logit_difference: float


def missing_tools() -> list[str]:
    """Programs of ``TOOLS`` that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def measure_cortex_m(source: Source, folder: Path, texts: list[str], optimisation: str = "-O2") -> dict[str, Any]:
    """Cross-compile an exported folder, run texts on the emulated board; returns the fields of ``CortexM``.

    Args:
        source: the model that was exported.
        folder: what ``to_c.write`` wrote.
        texts: what to read; a millisecond or so each on a real processor, about a second here.
        optimisation: ``-Os`` or ``-O2``.

    Raises:
        ExportError: a tool is missing, or the program does not compile or run.
    """
    if missing := missing_tools():
        raise ExportError(f"measuring on a Cortex-M7 needs {', '.join(missing)}. {INSTALL}.")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        host = to_c.compile_host(folder, place / "host")
        expected = [line.split() for line in to_c.ask(host, "logits", texts)]
        workspace = int(to_c.ask(host, "memory", [])[0])
        program, flash = _build(folder, place, texts, optimisation)
        command = [
            "qemu-system-arm", "-machine", BOARD, "-nographic", "-monitor", "none", "-serial", "none",
            "-icount", "shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", str(program),
        ]  # fmt: skip
        code = to_c.code_in(place / "bert_emotion.o", "arm-none-eabi-size")
        # semihosting prints to the error stream; a processor that hangs would never end
        limit = _MOST_SECONDS * (1 + len(texts))
        said = to_c.call(["sh", "-c", 'exec "$@" 2>&1', "sh", *command], place, seconds=limit).decode()
    rows = [line.split() for line in said.splitlines()]
    labels = len(source.config.labels)
    if len(rows) != len(texts) or any(len(row) != labels + 1 for row in rows):
        raise ExportError(f"the emulated board answered {len(rows)} of {len(texts)} texts: {said[-300:]!r}")
    bits = np.array([[int(word, 16) for word in row] for row in rows], dtype=np.uint32)
    logits = bits[:, :labels].copy().view(np.float32)
    instructions = bits[:, labels].astype(np.int64) * _TICK_NS
    return asdict(
        CortexM(
            board=BOARD,
            optimisation=optimisation,
            code_bytes=code,
            flash_bytes=flash,
            workspace_bytes=workspace,
            texts=len(texts),
            instructions_per_text=round(float(instructions.mean())),
            instructions_most=int(instructions.max()),
            max_logit_difference=float(np.abs(logits - np.array(expected, dtype=np.float32)).max()),
        )
    )


def _build(folder: Path, place: Path, texts: list[str], optimisation: str) -> tuple[Path, int]:
    """The program for the board, and its bytes of flash without the texts."""
    board = to_c.C / "cortex-m"
    quoted = [
        "".join(f"\\{byte:03o}" for byte in text.replace("\0", "\ufffd").encode("utf-8", "replace")) for text in texts
    ]
    listed = "\n".join(f'"{text}",' for text in quoted)
    (place / "texts.h").write_text(f"static const char *const texts[] = {{\n{listed}\n}};\n", encoding="utf-8")
    shutil.copyfile(board / "board.c", place / "board.c")
    compiler = ["arm-none-eabi-gcc", *to_c.CORTEX_M7, "-std=gnu99", optimisation, "-Wall", "-Wextra", "-Werror"]
    compiler += ["-ffp-contract=off", "-ffunction-sections", "-fdata-sections", f"-I{folder.absolute()}", "-I."]
    to_c.call([*compiler, "-c", "board.c", "-o", "board.o"], place)
    model = str((folder / "bert_emotion.c").absolute())
    to_c.call([*compiler, "-std=c99", "-c", model, "-o", "bert_emotion.o"], place)
    sizes = [sum(_text_and_data(place, name)) for name in ("bert_emotion.o", "board.o")]
    constants = "PROGRAM" if sum(sizes) + _SPARE < _FIRST_FLASH else "LARGE"
    script = (board / "board.ld").read_text(encoding="utf-8").replace("@CONSTANTS@", constants)
    (place / "board.ld").write_text(script, encoding="utf-8")
    linker = ["-nostartfiles", "-T", "board.ld", "-Wl,--gc-sections", "board.o", "bert_emotion.o", "-lm"]
    to_c.call([*compiler, *linker, "-o", "board.elf"], place)
    said = sum(len(text.encode("utf-8", "replace")) + 1 for text in texts) + 4 * len(texts)
    return place / "board.elf", sum(_text_and_data(place, "board.elf")) - said


def _text_and_data(place: Path, name: str) -> tuple[int, int]:
    rows = to_c.call(["arm-none-eabi-size", name], place).decode().splitlines()
    text, data, *_ = rows[1].split()
    return int(text), int(data)

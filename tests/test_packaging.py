"""What is installed: light imports, no network, and a wheel that holds the runtime alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bert_emotion
from bert_emotion import artifact

ROOT = Path(__file__).parents[1]
WHEEL_MAX_MB = 16
HEAVY = (
    "torch", "transformers", "safetensors", "onnx", "pyarrow", "emoji", "matplotlib", "sklearn", "scipy",
    "fastapi", "paho", "ray", "rich", "huggingface_hub", "requests",
    "bert_emotion.data", "bert_emotion.training", "bert_emotion.export", "bert_emotion.evaluation",
)  # fmt: skip


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_public_names_are_exactly_these() -> None:
    found = [
        n for n in vars(bert_emotion) if not n.startswith("_") and not hasattr(getattr(bert_emotion, n), "__path__")
    ]
    public = [n for n in found if getattr(getattr(bert_emotion, n), "__module__", "").startswith("bert_emotion")]
    assert sorted([*public, "__version__"]) == sorted(bert_emotion.__all__)


def test_the_command_line_loads_nothing_heavy() -> None:
    loaded = python(
        "import sys, bert_emotion.cli; from bert_emotion import EmotionClassifier; EmotionClassifier()('hi');"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert loaded == "[]"


def test_no_code_path_of_an_answer_touches_the_network() -> None:
    out = python(
        "import socket\n"
        "def blocked(*a, **k): raise AssertionError('network')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = blocked\n"
        "from bert_emotion import EmotionClassifier\n"
        "print(EmotionClassifier()('i love you')[0]['label'])"
    )
    assert out == "Love"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [path] = out.glob("*.whl")
    return path


def test_wheel_holds_the_runtime_files_and_no_training_weights(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    model = f"bert_emotion/models/{artifact.DEFAULT_MODEL}/"
    assert {model + f for f in artifact.RUNTIME_FILES} | {model + "README.md"} == {
        n for n in names if n.startswith(model)
    }
    assert "bert_emotion/py.typed" in names
    samples = {"bert_emotion/export/parity.jsonl", "bert_emotion/training/kept.jsonl"}
    assert samples <= set(names)
    data = (
        "demo_page/index.html", "export/run_site.mjs", "export/calibration.txt", "export/c/bert_emotion.c",
        "export/c/cortex-m/board.c", "export/c/esp32-s3/platformio.ini",
    )  # fmt: skip
    assert {f"bert_emotion/{name}" for name in data} <= set(names)
    heavy = (".safetensors", ".jsonl", ".parquet", ".pt")
    assert not [n for n in set(names) - samples if n.endswith(heavy) or n.startswith("tests")]
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_wheel_stays_small(wheel: Path) -> None:
    assert wheel.stat().st_size / 1e6 < WHEEL_MAX_MB


def test_the_style_holds() -> None:
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


def test_no_file_grows_past_reading() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {n}"
        for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")]
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 500
    ]
    assert not long

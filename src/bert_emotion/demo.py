"""The browser page: a static folder with a model and its runtime in it, and a server for this machine alone.

The folder asks no other host for anything. Its runtime, onnxruntime-web, comes from npm once, is checked against
the sha512 below and then lies in a cache folder; page and model come from this package.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from bert_emotion import __version__, artifact
from bert_emotion.artifact import ModelConfig
from bert_emotion.errors import ExportError, InputError
from bert_emotion.labels import LABELS, Emotion, emoji_of

PAGE = Path(__file__).with_name("demo_page")
"""The page's own files; the folder that is served holds them as they are, but for the list in ``sw.js``."""

HOST = "127.0.0.1"

RUNTIME = "onnxruntime-web"
# a newer one (1.30) answers alike and no faster, with a WebAssembly file that is a quarter larger
RUNTIME_VERSION = "1.22.0"
RUNTIME_INTEGRITY = "Ud/+EBo6mhuaQWt/OjaOk0iNWjXqJoeeMFr6xQEERZdIZH2OWpGzuujz7lfuOBjUa6TEE/sc4nb7Da5dNL34fg=="
"""sha512, base64, of the package file that npm must give."""
_RUNTIME_SCRIPTS = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs")
_RUNTIME_BINARY = "ort-wasm-simd-threaded.wasm"
_RUNTIME_LICENCE = """onnxruntime-web, https://github.com/microsoft/onnxruntime

MIT License. Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

CACHE_VARIABLE = "BERT_EMOTION_WEB_CACHE"
"""Environment variable that names the cache folder."""

Say = Callable[[str], None]


def cache_folder() -> Path:
    """Where the runtime and the served folders are kept: ``$BERT_EMOTION_WEB_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "bert-emotion" / "web"


def runtime_folder(say: Say = lambda _: None) -> Path:
    """Folder with onnxruntime-web, fetched from npm where it is not cached yet (20 MB, of which 3 MB are kept).

    Raises:
        ExportError: npm is missing, cannot fetch it, or gives another file than expected; or no place to write.
    """
    kept = cache_folder() / f"{RUNTIME}-{RUNTIME_VERSION}"
    if kept.is_dir():
        return kept
    npm = shutil.which("npm")
    if npm is None:
        raise ExportError(
            f"npm is not installed; it fetches {RUNTIME} for the browser, once. Install Node.js with npm "
            "(Debian: apt install npm; macOS: brew install node; Windows: winget install OpenJS.NodeJS)."
        )
    say(f"fetching {RUNTIME} {RUNTIME_VERSION} from npm, once")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            # packing downloads the package file as it is: no script of it runs, no dependency comes along
            command = [npm, "pack", f"{RUNTIME}@{RUNTIME_VERSION}", "--silent", "--ignore-scripts"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            packed = next(Path(scratch).glob("*.tgz"), None)
            if done.returncode or packed is None:
                told = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
                raise ExportError(f"npm cannot fetch {RUNTIME}@{RUNTIME_VERSION}: {told[0]}. Is there a network?")
            found = b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
            if found != RUNTIME_INTEGRITY:
                raise ExportError(
                    f"npm gave a {RUNTIME}@{RUNTIME_VERSION} of sha512 {found}, expected {RUNTIME_INTEGRITY}; "
                    "check the registry that npm is set to (npm config get registry)."
                )
            folder = Path(scratch) / "runtime"
            _unpack(packed, folder)
            with contextlib.suppress(OSError):  # another process was faster
                folder.rename(kept)
    except OSError as error:
        raise ExportError(f"cannot write {kept}: {error.strerror or error}; set {CACHE_VARIABLE}.") from error
    return kept


def _unpack(packed: Path, folder: Path) -> None:
    """Take what the page needs out of the package file; the binary compressed, as not every server does it."""
    folder.mkdir()
    with tarfile.open(packed) as archive:
        for name in (*_RUNTIME_SCRIPTS, _RUNTIME_BINARY):
            stream = archive.extractfile(f"package/dist/{name}")
            if stream is None:
                raise ExportError(f"{RUNTIME} {RUNTIME_VERSION} lacks dist/{name}.")
            content = stream.read()
            if name == _RUNTIME_BINARY:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
            else:
                # the source map is not part of the folder, and a browser's tools would ask for it
                (folder / name).write_bytes(re.sub(rb"\n//# sourceMappingURL=.*", b"", content))
    (folder / "LICENSE").write_text(_RUNTIME_LICENCE, encoding="utf-8")


def write_site(config: ModelConfig, folder: Path, say: Say = lambda _: None) -> dict[str, Any]:
    """Write the static folder: page, runtime, and the model as transformers.js expects it, under ``model/``.

    Args:
        config: the model.
        folder: an empty folder.
        say: called with one line a step.

    Returns:
        Sizes in bytes: ``network_bytes``, ``runtime_bytes``, ``page_bytes`` and ``total_bytes``; ``runtime``.

    Raises:
        ExportError: the runtime is not cached and cannot be fetched, or the page cannot read the tokenizer.
    """
    check_tokenizer(config.tokenizer_path)
    shutil.copytree(runtime_folder(say), folder / "runtime")
    shutil.copytree(PAGE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("sw.js", "__pycache__"))
    model = folder / "model"
    (model / "onnx").mkdir(parents=True)
    for name in (artifact.CONFIG, artifact.TOKENIZER, artifact.ONNX):
        shutil.copyfile(config.folder / name, model / name)
    _write_json(model / "tokenizer_config.json", _tokenizer_config(config))
    _write_json(folder / "demo.json", page_settings(config))
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for name in files:
        digest.update(f"{name}\n{artifact.sha256_of(folder / name)}\n".encode())
    # what stands in model/ for transformers.js alone is no part of what works offline
    needed = [
        f for f in files if not f.startswith("model/") or f in (f"model/{artifact.TOKENIZER}", f"model/{artifact.ONNX}")
    ]
    worker = (PAGE / "sw.js").read_text(encoding="utf-8")
    worker = worker.replace('"unexported"', json.dumps(digest.hexdigest()[:16]))
    worker = worker.replace("const FILES = [];", f"const FILES = {json.dumps(['./', *needed])};")
    (folder / "sw.js").write_text(worker, encoding="utf-8")
    size = {name: (folder / name).stat().st_size for name in (*files, "sw.js")}
    runtime = sum(n for name, n in size.items() if name.startswith("runtime/"))
    return {
        "runtime": f"{RUNTIME} {RUNTIME_VERSION}",
        "network_bytes": size[f"model/{artifact.ONNX}"],
        "runtime_bytes": runtime,
        "page_bytes": sum(n for name, n in size.items() if "/" not in name),
        "total_bytes": sum(size.values()),
    }


def page_settings(config: ModelConfig) -> dict[str, Any]:
    """What the page must know of a model, in plain JSON types; its ``demo.json``."""
    meanings = {emotion.label: emotion.meaning for emotion in Emotion}
    return {
        "name": config.name,
        "labels": [
            {"label": label, "emoji": emoji_of(label), "meaning": meanings.get(label, "")} for label in config.labels
        ],
        "multi_label": config.multi_label,
        "label_thresholds": list(config.label_thresholds),
        "max_length": config.max_length,
        "temperature": config.temperature,
        "threshold": config.threshold,
        "examples": config.labels == LABELS,
        "bytes": sum((config.folder / name).stat().st_size for name in (artifact.TOKENIZER, artifact.ONNX)),
    }


_NORMALIZERS = {
    "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Replace", "BertNormalizer",
}  # fmt: skip
_PRE_TOKENIZERS = {"Sequence", "Split", "BertPreTokenizer"}


def check_tokenizer(path: Path) -> None:
    """Refuse a ``tokenizer.json`` with a part that the page's own ``tokenizer.js`` does not have.

    Raises:
        ExportError: naming the first such part.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    found: list[tuple[str, str]] = []

    def walk(part: Any, kind: str, known: set[str], inner: str) -> None:
        if part is None:
            return
        if part["type"] not in known or (part["type"] == "Split" and part["behavior"] != "Isolated"):
            found.append((kind, part["type"]))
        for step in part.get(inner, []):
            walk(step, kind, known, inner)

    walk(content.get("normalizer"), "normalizer", _NORMALIZERS, "normalizers")
    walk(content.get("pre_tokenizer"), "pre-tokenizer", _PRE_TOKENIZERS, "pretokenizers")
    if content["model"]["type"] != "WordPiece":
        found.append(("vocabulary", content["model"]["type"]))
    for token in content.get("added_tokens", []):
        if any(token.get(option) for option in ("normalized", "lstrip", "rstrip", "single_word")):
            found.append(("added token", token["content"]))
    if content.get("pre_tokenizer") is None:
        found.append(("pre-tokenizer", "None"))
    if found:
        kind, name = found[0]
        raise ExportError(f"{path}: the browser page cannot read texts with the {kind} {name!r}; it knows BERT's own.")


def _tokenizer_config(config: ModelConfig) -> dict[str, Any]:
    # not part of an installed model; transformers.js asks for it
    marks = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config.max_length, **marks}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def demo_folder(model: str | Path | None = None, say: Say = lambda _: None) -> Path:
    """The static folder of a model, out of the cache or written now.

    Raises:
        ModelError: no such model, or an incomplete or altered folder.
        ExportError: see ``write_site``.
    """
    config = artifact.load_config(model)
    digest = hashlib.sha256(f"{__version__} {RUNTIME_VERSION}".encode())
    sources = [*sorted(p for p in PAGE.iterdir() if p.is_file()), Path(__file__)]
    for path in (*sources, *(config.folder / name for name in artifact.RUNTIME_FILES)):
        digest.update(path.read_bytes())
    home = cache_folder() / "pages"
    name = re.sub(r"[^\w.-]", "_", config.name)
    folder = home / f"{name}-{digest.hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    say(f"writing the page of {config.name}")
    runtime_folder(say)  # first, so that a failure says what failed
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as scratch:
            write_site(config, Path(scratch) / "page", say)
            for old in home.glob(f"{name}-" + "[0-9a-f]" * 12):
                shutil.rmtree(old, ignore_errors=True)
            with contextlib.suppress(OSError):  # another process was faster
                (Path(scratch) / "page").rename(folder)
    except OSError as error:
        raise ExportError(f"cannot write {folder}: {error.strerror or error}; set {CACHE_VARIABLE}.") from error
    return folder


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder, with the types and headers that browsers insist on."""

    protocol_version = "HTTP/1.1"
    # not left to the machine's own table, which may lack these or know them otherwise
    extensions_map = {  # noqa: RUF012
        "": "application/octet-stream",
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".webmanifest": "application/manifest+json",
        ".wasm": "application/wasm",
        ".md": "text/markdown; charset=utf-8",
    }

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Type of a file by its last suffix, from the table above alone."""
        return self.extensions_map.get(Path(path).suffix.lower(), self.extensions_map[""])

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # kept, but asked for: a page of another model is seen at once
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        """No list of a folder's files."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:  # type: ignore[override]
        """A reader that went away is no error."""
        with contextlib.suppress(ConnectionError):
            shutil.copyfileobj(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: what is asked for says what somebody reads."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # on Windows this would let two servers share the port
    allow_reuse_address = sys.platform != "win32"


def serve(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder, bound to 127.0.0.1 and not yet running: call its ``serve_forever``.

    Args:
        folder: what ``write_site`` wrote.
        port: 0 takes a free one; ``server_port`` tells which.

    Raises:
        InputError: the port is taken or not allowed.
    """
    try:
        return _Server((HOST, port), partial(_Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot serve on {HOST}:{port}: {why}. Choose another with --port.") from error

"""Format ``web``: a static folder for the browser, run in headless Chromium or in Node.js for the parity check."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from bert_emotion.demo import serve, write_site
from bert_emotion.errors import ExportError
from bert_emotion.export.source import Source

REQUIRES: tuple[tuple[str, str], ...] = ()

MIN_EQUAL_LABELS = 0.96
"""The page runs the shipped int8 network: this is what int8 keeps of float32, not what the browser loses."""

_NODE_SCRIPT = Path(__file__).with_name("run_site.mjs")

# the page's own worker, asked as the page asks it
_IN_PAGE = """(texts => new Promise((done, fail) => {
  const worker = new Worker("worker.js", { type: "module" });
  worker.onerror = (event) => fail(new Error(event.message));
  worker.onmessage = ({ data }) => {
    if (data.failed) fail(new Error(data.failed));
    if (data.logits === 1) done(data.rows);
  };
  worker.postMessage({ logits: 1, texts });
}))"""


def max_length(source: Source) -> int:
    """The model's own: longer texts are read in windows, as in Python."""
    return source.config.max_length


def write(source: Source, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Write page, runtime and the model's own int8 network; returns their sizes."""
    return write_site(source.config, folder, say)


def run(source: Source, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits, float32 (n, labels), of the folder: in headless Chromium if there is one, else in Node.js.

    Raises:
        ExportError: neither is installed, or the page fails in it.
    """
    if os.name == "posix":
        from bert_emotion.export.browser import find_chromium

        if chromium := find_chromium():
            return run_in_chromium(chromium, folder, texts)
    if node := shutil.which("node"):
        return run_in_node(node, folder, texts)
    raise ExportError(
        "the page is checked in Chromium or Node.js, and neither is installed. "
        "Install one (Debian: apt install chromium; any system: https://nodejs.org)."
    )


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of a folder, served by a thread on a free port for as long as the ``with`` lasts."""
    with serve(folder, 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def run_in_chromium(chromium: str, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits of the folder's page in headless Chromium."""
    from bert_emotion.export.browser import Browser

    with served(folder) as address, Browser(chromium) as browser:
        page = browser.page(address)
        page.until("document.readyState === 'complete'")
        rows = page.evaluate(f"{_IN_PAGE}({json.dumps(texts)})")
    return np.asarray(rows, dtype=np.float32)


def run_in_node(node: str, folder: Path, texts: list[str]) -> np.ndarray:
    """Logits of the folder's code in Node.js, by the same WebAssembly."""
    command = [node, str(_NODE_SCRIPT), str(folder.resolve())]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines()
        raise ExportError(
            f"the page's code fails in Node.js (18 or newer is needed): {told[-1] if told else 'no word'}"
        )
    return np.asarray(json.loads(done.stdout), dtype=np.float32)


def usage(source: Source, facts: dict[str, Any]) -> str:
    """Lines for the folder's README."""
    megabytes = facts["total_bytes"] / 1e6
    return f"""## Use

A static page, {megabytes:.1f} MB with the model ({facts["network_bytes"] / 1e6:.1f} MB) and its runtime
({facts["runtime"]}, {facts["runtime_bytes"] / 1e6:.1f} MB). Put the folder on any web server, or look at it here:

```sh
python -m http.server --bind 127.0.0.1 8000
```

It asks no other host for anything, and works offline after the first load (browsers allow that on `https` and on
`127.0.0.1`). Nothing that is typed leaves the browser.

In a page of your own, from this folder:

```js
import {{ EmotionModel }} from "./emotion.js";

const model = await EmotionModel.load(async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer()));
const {{ label, score, reason }} = await model.answer("i love you");
console.log(model.settings.labels[label].label, score, reason);
```

`model/` is in the layout of transformers.js too (`dtype: "q8"`).
"""

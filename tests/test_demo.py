"""The browser page: its folder and server in Python, and the page itself in headless Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from bert_emotion import EmotionClassifier, ExportError, InputError, artifact, demo
from bert_emotion.documents import windows

from .conftest import FAKE
from .make_golden import TEXTS

RUNTIME = demo.cache_folder() / f"{demo.RUNTIME}-{demo.RUNTIME_VERSION}"
needs_runtime = pytest.mark.skipif(
    not RUNTIME.is_dir(), reason=f"{demo.RUNTIME} is not in {demo.cache_folder()}: bert-emotion demo --prepare"
)
LONG = "We drove for nine hours to get there. The motel was fine… and the road was dull! " * 14 + (
    "Then the doctor came out (“she is gone.”) and I could not stop crying 😭 :'(\nI miss her every day."
)
TRICKY = (
    "I <3 u sooooo much!!!! :-) ;) </3 :( :'( =D /s",
    "👩🏽‍🚀🏳️‍🌈 #️⃣ 🇩🇪 ✨",
    "Ｗｏｗ ﬁne… naïve café İstanbul ΣΑΣ ß ½ ² №",
    "[SEP] [CLS]x [MASK] [UNK] \x00 \ufffd \u200d\ufeff tab\there",
    "snake_case @you https://a.b/c?d=1 don’t “quoted” 3.14",
    "中文 and عربى and हिन्दी and 한국어",
    "x" * 120,
    "lone \ud83d surrogate",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(demo.CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def stub(cache: Path) -> Path:
    """A cache folder with files in the place of the runtime: enough for all that Python does."""
    folder = cache / f"{demo.RUNTIME}-{demo.RUNTIME_VERSION}"
    folder.mkdir(parents=True)
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm.gz", "LICENSE"):
        (folder / name).write_text(name, encoding="utf-8")
    return cache


# --- the folder -----------------------------------------------------------------------------------------------


def test_folder_holds_page_model_and_runtime(stub: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    facts = demo.write_site(artifact.load_config(FAKE), out)
    names = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert {"index.html", "worker.js", "model/config.json", "model/tokenizer_config.json", "runtime/LICENSE"} <= names
    assert (out / "model/onnx/model_quantized.onnx").read_bytes() == (FAKE / artifact.ONNX).read_bytes()
    assert facts["total_bytes"] == sum((out / name).stat().st_size for name in names)
    settings = json.loads((out / "demo.json").read_text(encoding="utf-8"))
    assert [entry["emoji"] for entry in settings["labels"]][:2] == ["😢", "😠"]
    assert settings["threshold"] == 0.5
    worker = (out / "sw.js").read_text(encoding="utf-8")
    kept = set(json.loads(re.findall(r"^const FILES = (.*?);", worker, flags=re.MULTILINE)[0]))
    only_transformers_js = {"model/config.json", "model/tokenizer_config.json"}
    assert kept == names - only_transformers_js - {"sw.js"} | {"./"}
    assert "unexported" not in worker


def test_page_names_no_other_host() -> None:
    for path in demo.PAGE.iterdir():
        found = re.findall(r"https?://[^\s\"'`)]+", path.read_text(encoding="utf-8"))
        assert [url for url in found if url != "http://www.w3.org/2000/svg"] == [], path.name


def test_demo_folder_is_written_once_and_anew_for_another_model(stub: Path, tmp_path: Path) -> None:
    told: list[str] = []
    first = demo.demo_folder(FAKE, told.append)
    assert told == ["writing the page of fake-v1"]
    assert demo.demo_folder(FAKE, told.append) == first
    assert len(told) == 1
    other = tmp_path / "other"
    shutil.copytree(FAKE, other)
    manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
    (other / "manifest.json").write_text(json.dumps({**manifest, "note": "another"}), encoding="utf-8")
    second = demo.demo_folder(other, told.append)
    assert second != first
    assert [p.name for p in first.parent.iterdir()] == [second.name]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": {"type": "Unigram"}}, "Unigram"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled"}]}}, "Precompiled"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "Metaspace"),
        ({"added_tokens": [{"id": 4, "content": "<mask>", "lstrip": True}]}, "<mask>"),
    ],
)
def test_a_tokenizer_that_the_page_cannot_read_is_refused(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    content = json.loads((FAKE / artifact.TOKENIZER).read_text(encoding="utf-8"))
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content | change), encoding="utf-8")
    with pytest.raises(ExportError, match=named):
        demo.check_tokenizer(path)


# --- npm --------------------------------------------------------------------------------------------------------


def test_missing_npm_is_said_with_the_line_that_installs_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExportError, match="apt install npm"):
        demo.demo_folder(FAKE)
    assert not cache.exists()


def fake_npm(folder: Path, script: str) -> str:
    npm = folder / "npm"
    npm.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    npm.chmod(0o755)
    return str(folder)


@pytest.mark.skipif(os.name == "nt", reason="the npm of this test is a script")
def test_npm_that_fails_or_gives_another_file_is_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_npm(tmp_path, "import sys; sys.exit('ENOTFOUND registry')"))
    with pytest.raises(ExportError, match="ENOTFOUND registry"):
        demo.runtime_folder()
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        archive.add(FAKE, "package")
    copy = f"import shutil; shutil.copy({str(tmp_path / 'other.tgz')!r}, 'other.tgz')"
    monkeypatch.setenv("PATH", fake_npm(tmp_path, copy))
    with pytest.raises(ExportError, match="sha512"):
        demo.runtime_folder()
    assert list(cache.iterdir()) == []


# --- the server -------------------------------------------------------------------------------------------------


@pytest.fixture
def site(stub: Path) -> Path:
    return demo.demo_folder(FAKE)


def test_server_stays_on_this_machine_and_sends_the_right_types(site: Path) -> None:
    from bert_emotion.export.to_web import served

    with served(site) as address:
        assert address.startswith("http://127.0.0.1:")
        types = {
            "": "text/html",
            "app.js": "text/javascript",
            "runtime/ort.wasm.min.mjs": "text/javascript",
            "manifest.webmanifest": "application/manifest+json",
            "icon.svg": "image/svg+xml",
            "demo.json": "application/json",
            "model/onnx/model_quantized.onnx": "application/octet-stream",
            "runtime/ort-wasm-simd-threaded.wasm.gz": "application/octet-stream",
        }
        for path, kind in types.items():
            with urllib.request.urlopen(address + path) as answer:
                assert answer.headers["Content-Type"].split(";")[0] == kind, path
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Content-Encoding"] is None
        for path in ("model/", "absent.js", "..%2f..%2fdemo.py", "/etc/passwd"):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(address + path)
            assert error.value.code == 404
            error.value.close()


def test_taken_port_is_one_line(site: Path) -> None:
    with demo.serve(site, 0) as server:
        assert server.server_address[0] == "127.0.0.1"
        with pytest.raises(InputError, match=f"127.0.0.1:{server.server_port}.*--port"):
            demo.serve(site, server.server_port)
    with pytest.raises(InputError, match="--port"):
        demo.serve(site, 70000)


def test_command_prepares_and_stops(stub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bert_emotion.cli.demo import demo as command

    command(str(FAKE), 0, False, True)
    assert Path(capsys.readouterr().out.strip(), "index.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_command_serves_until_ctrl_c(site: Path) -> None:
    hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a background job is deaf to it
    code = f"{hear}; from bert_emotion.cli.demo import demo; demo({str(FAKE)!r}, 0, False, False)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().split()[0]
        with urllib.request.urlopen(address) as answer:
            assert b"BERT-Emotion" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.stderr.read() == "ended\n"


def test_command_has_help() -> None:
    from typer.testing import CliRunner

    from bert_emotion.cli.demo import demo as command

    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert "127.0.0.1" in done.output


# --- the page's code in Node.js -----------------------------------------------------------------------------------


def logits_in_python(classifier: EmotionClassifier, texts: list[str]) -> np.ndarray:
    rows = []
    for text in texts:
        ids = classifier._tokenizer.encode(text).ids[: classifier.config.max_length - 2]
        row = np.array([[classifier._tokenizer.cls, *ids, classifier._tokenizer.sep]], dtype=np.int64)
        rows.append(classifier._engine(row, np.ones_like(row))[0])
    return np.stack(rows)


@needs_runtime
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_node_gives_the_logits_of_python(fake: EmotionClassifier, tmp_path: Path) -> None:
    from bert_emotion.export.to_web import run_in_node

    demo.write_site(fake.config, tmp_path)
    texts = ["i love you", "", "😢😢 sad", "happy, not angry!", *TRICKY[:-1], "sad " * 50]
    found = run_in_node(str(shutil.which("node")), tmp_path, texts)
    assert np.abs(found - logits_in_python(fake, texts)).max() < 1e-5


# --- the page in Chromium -----------------------------------------------------------------------------------------


class Visit:
    """The default model's page in a browser, and what the browser reported."""

    def __init__(self, address: str, browser: Any, server: Any) -> None:
        self.address = address
        self.browser = browser
        self.server = server
        self.page = browser.page(address)
        self.page.until("document.body && 'offline' in document.body.dataset")

    def ask(self, text: str) -> None:
        """Put a text into the field and wait for its answer."""
        self.page.evaluate(
            "(text => { const field = document.getElementById('text'); field.value = text;"
            f" field.dispatchEvent(new Event('input')); }})({json.dumps(text)})"
        )
        self.settled()

    def settled(self) -> None:
        self.page.until("document.getElementById('verdict').getAttribute('aria-busy') === 'false'")

    def text_of(self, name: str) -> str:
        return str(self.page.evaluate(f"document.getElementById('{name}').textContent"))

    def state(self) -> str:
        return str(self.page.evaluate("document.getElementById('verdict').dataset.state"))

    def press_enter(self) -> None:
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.page.call("Input.dispatchKeyEvent", type="keyDown", text="\r", **enter)
        self.page.call("Input.dispatchKeyEvent", type="keyUp", **enter)

    def count(self, event: str) -> int:
        return sum(method == event for method, _ in self.browser.events)

    def troubles(self) -> list[str]:
        """Uncaught errors, and warnings and errors of the console."""
        out = []
        for method, params in self.browser.events:
            if method == "Runtime.exceptionThrown":
                out.append(json.dumps(params["exceptionDetails"]))
            elif method == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
                out.append(json.dumps(params["entry"]))
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("warning", "error", "assert"):
                out.append(json.dumps(params["args"]))
        return out


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    from threading import Thread

    browser_module = pytest.importorskip("bert_emotion.export.browser", reason="needs Linux or macOS")
    chromium = browser_module.find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium")
    if not RUNTIME.is_dir():
        pytest.skip(f"{demo.RUNTIME} is not in {demo.cache_folder()}: bert-emotion demo --prepare")
    folder = tmp_path_factory.mktemp("site")
    demo.write_site(artifact.load_config(), folder)
    with demo.serve(folder, 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with browser_module.Browser(chromium) as browser:
                yield Visit(f"http://127.0.0.1:{server.server_port}/", browser, server)
        finally:
            server.shutdown()
            thread.join()


def test_token_ids_and_windows_are_those_of_python(visit: Visit, shipped: EmotionClassifier) -> None:
    parity = Path(demo.__file__).with_name("export") / "parity.jsonl"
    texts = [json.loads(line)["text"] for line in parity.read_text(encoding="utf-8").splitlines()]
    texts += [*TEXTS, *TRICKY, LONG, LONG.replace(". ", " "), "word " * 700]
    size = shipped.config.max_length - 2
    found = visit.page.evaluate(
        "(async texts => {"
        " const [{ Tokenizer }, { windows }, file] = await Promise.all([import('./tokenizer.js'),"
        " import('./documents.js'), fetch('model/tokenizer.json').then(answer => answer.json())]);"
        " const tokenizer = new Tokenizer(file);"
        f" return texts.map(text => windows(tokenizer.encode(text), {size})); }})({json.dumps(texts)})"
    )
    for text, parts in zip(texts, found, strict=True):
        assert parts == windows(shipped._tokenizer.encode(text), size), text
    assert len(found[-3]) > 1


def test_golden_texts_get_the_labels_of_python(visit: Visit, shipped: EmotionClassifier) -> None:
    for text, expected in zip((*TEXTS, LONG), shipped.predict([*TEXTS, LONG]), strict=True):
        visit.ask(text)
        state = visit.state()
        if expected.reason in ("empty", "unreadable"):
            assert state == {"empty": "idle", "unreadable": "unreadable"}[expected.reason]
            continue
        assert state in ("sure", "unsure")
        shares = visit.page.evaluate(
            "Array.from(document.querySelectorAll('#bars li'), bar => Number(bar.style.getPropertyValue('--score')))"
        )
        # int8 kernels round differently: scores may move a little, and so may close calls
        assert shares == pytest.approx(list(expected.scores.values()), abs=0.1), text
        first, second = sorted(expected.scores.values(), reverse=True)[:2]
        if first - second > 0.1:
            assert visit.text_of("label") == expected.label, text
            assert visit.text_of("emoji") == expected.emoji
        if abs(first - shipped.config.threshold) > 0.1:
            assert (state == "unsure") == (expected.reason == "low_confidence"), text


def test_several_labels_a_text_are_those_of_python(visit: Visit) -> None:
    classifier = EmotionClassifier()
    classifier.config = replace(classifier.config, multi_label=True, label_thresholds=(0.4,) * 13)
    texts = ["I feel so alone right now.", LONG]
    found = visit.page.evaluate(
        "(async texts => { const { EmotionModel } = await import('./emotion.js');"
        " const model = await EmotionModel.load(async path => new Uint8Array(await (await fetch(path)).arrayBuffer()));"
        " Object.assign(model.settings, { multi_label: true, label_thresholds: Array(13).fill(0.4) });"
        f" return [await model.answer(texts[0]), await model.answer(texts[1])]; }})({json.dumps(texts)})"
    )
    for answer, expected in zip(found, classifier.predict(texts), strict=True):
        assert answer["scores"] == pytest.approx(list(expected.scores.values()), abs=0.1)
        close = {label for label, score in expected.scores.items() if abs(score - 0.4) < 0.1}
        given = {classifier.labels[i] for i in answer["labels"]}
        assert given - close == set(expected.labels or ()) - close


def test_typing_shows_answer_latency_and_the_words_that_carry_it(visit: Visit) -> None:
    visit.ask("")
    visit.page.evaluate("document.getElementById('text').focus()")
    for piece in ("I feel so ", "alone right now."):
        visit.page.call("Input.insertText", text=piece)
    visit.settled()
    assert visit.text_of("label") == "Sadness"
    assert re.fullmatch(r"read in \d+\.\d ms", visit.text_of("speed"))
    assert "sure" in visit.text_of("note")
    visit.page.until("document.getElementById('why').textContent !== ''")
    assert visit.page.evaluate("Array.from(document.querySelectorAll('#wash mark'), m => m.textContent)") != []
    assert visit.text_of("wash") == "I feel so alone right now.\n"
    visit.page.until("document.getElementById('spoken').textContent.startsWith('Sadness')")


def test_a_long_text_says_its_passages(visit: Visit) -> None:
    visit.ask(LONG)
    assert "in 2 passages" in visit.text_of("speed")
    visit.ask("")


def test_texts_are_kept_by_enter_and_cleared(visit: Visit) -> None:
    visit.page.evaluate("document.getElementById('text').focus()")
    visit.ask("i love you")
    visit.press_enter()
    visit.ask("thank you, you have no idea how much that helped")
    visit.page.evaluate("document.getElementById('keep').click()")
    words = "Array.from(document.querySelectorAll('#past .words'), span => span.textContent)"
    assert visit.page.evaluate(words) == ["thank you, you have no idea how much that helped", "i love you"]
    visit.page.evaluate("document.querySelectorAll('#past .again')[1].click()")
    visit.settled()
    assert visit.text_of("label") == "Love"
    visit.page.evaluate("document.querySelector('#past .away').click()")
    assert json.loads(visit.page.evaluate("localStorage.getItem('bert-emotion-history')"))[0]["text"] == "i love you"
    visit.page.evaluate("document.getElementById('forget').click()")
    assert visit.page.evaluate("localStorage.getItem('bert-emotion-history')") is None
    assert visit.page.evaluate("document.querySelector('.past').hidden")


def test_fits_a_phone_and_every_control_has_a_name(visit: Visit) -> None:
    visit.page.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    visit.ask("I should have visited her before she died, and I never did. " * 3)
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 360
    visit.page.call("Emulation.clearDeviceMetricsOverride")
    names = visit.page.call("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in names if node.get("role", {}).get("value") in ("button", "textbox")]
    assert len(controls) > 8
    assert all(node["name"]["value"] for node in controls)


CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const light = (colour, ground) => {
    for (const layer of [ground, colour]) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data, (v) => {
      v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
  const out = {};
  for (const bar of document.querySelectorAll("#bars li")) {
    for (const name of ["--hue", "--chroma"])
      document.documentElement.style.setProperty(name, bar.style.getPropertyValue(name));
    const card = of(".answer", "backgroundColor");
    for (const selector of ["#label", "#note", "#bars li:not(.best)", "#bars li.best"])
      out[bar.textContent + selector] = ratio(light(of(selector, "color"), card), light(card, card));
    const mark = of("#wash mark", "backgroundColor");
    out[bar.textContent + "mark"] = ratio(light(of("#text", "color"), card), light(mark, card));
    const back = of("body", "backgroundColor");
    out[bar.textContent + "footer"] = ratio(light(of("footer", "color"), back), light(back, back));
  }
  return out;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_every_colour(visit: Visit, scheme: str) -> None:
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    visit.page.call("Emulation.setEmulatedMedia", features=features)
    visit.ask("Why does this always break?")
    visit.page.until("document.querySelector('#wash mark')")
    ratios = visit.page.evaluate(CONTRAST)
    visit.page.call("Emulation.setEmulatedMedia", features=[])
    assert len(ratios) == 13 * 6
    assert {name: round(ratio, 2) for name, ratio in ratios.items() if ratio < 4.5} == {}


def test_nothing_was_asked_of_another_host_and_no_error_was_logged(visit: Visit) -> None:
    asked = [p["request"]["url"] for m, p in visit.browser.events if m == "Network.requestWillBeSent"]
    # the worker's and the service worker's requests are among them
    assert sum(url.endswith("/model_quantized.onnx") for url in asked) > 1
    hosts = [url for url in asked if url.startswith(("http:", "https:", "ws:", "wss:"))]  # chrome:// is no host
    assert [url for url in hosts if not url.startswith(visit.address)] == []
    assert visit.troubles() == []


def test_works_offline_after_the_first_load(visit: Visit) -> None:
    # the last test of the page: its server ends here
    visit.server.shutdown()
    visit.server.server_close()
    before = visit.count("Page.loadEventFired")
    visit.page.call("Page.reload")
    visit.browser.wait(lambda: visit.count("Page.loadEventFired") > before)
    visit.page.until("'ready' in document.body.dataset")
    visit.ask("i love you")
    assert visit.text_of("label") == "Love"

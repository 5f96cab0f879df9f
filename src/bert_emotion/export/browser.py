"""Headless Chromium, driven over a pipe: no driver, no port, no library. Linux and macOS."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from typing import Any

from bert_emotion.errors import ExportError

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
WAIT_SECONDS = 300.0
"""Longest wait for an answer of the browser; a page that needs longer hangs."""

_FLAGS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--no-startup-window", "--remote-debugging-pipe",
    # nothing but this machine has a name: a request to another host cannot leave, and shows as failed
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """A running Chromium with a profile of its own; leave it by ``with``, which ends it.

    Attributes:
        events: everything that pages and workers reported, in order, as ``(method, params)``: requests
            (``Network.…``), console lines and uncaught errors (``Runtime.…``, ``Log.…``).
    """

    def __init__(self, executable: str) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._answers: dict[int, dict[str, Any]] = {}
        self._last = 0
        self._buffer = b""
        flags = [*_FLAGS, f"--user-data-dir={self._profile.name}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags.append("--no-sandbox")  # the sandbox refuses root
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        # out of the way of 3 and 4, where Chromium expects its ends
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (theirs_in, theirs_out)]
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, high[0], 3),
            (os.POSIX_SPAWN_DUP2, high[1], 4),
        ]
        self._pid = os.posix_spawn(executable, [executable, *flags], os.environ, file_actions=actions, setpgroup=0)
        for end in (theirs_in, theirs_out, *high):
            os.close(end)
        try:
            self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        """The browser itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the browser."""
        self.close()

    def close(self) -> None:
        """End the browser and its children, and remove its profile."""
        with contextlib.suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self._pid, 0)
        for end in (self._to, self._from):
            with contextlib.suppress(OSError):
                os.close(end)
        self._profile.cleanup()

    def page(self, url: str) -> Page:
        """Open a page; returns at once, see ``Page.until``."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found: list[str] = []

        def attached() -> bool:
            found[:] = [
                params["sessionId"]
                for method, params in self.events
                if method == "Target.attachedToTarget" and params["targetInfo"]["targetId"] == target
            ]
            return bool(found)

        self.wait(attached)
        page = Page(self, found[0])
        page.call("Page.enable")
        page.call("Page.navigate", url=url)
        return page

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result.

        Raises:
            ExportError: the browser refuses it, or has ended.
        """
        number = self._send(method, session, params)
        self.wait(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise ExportError(f"Chromium refuses {method}: {answer['error'].get('message')}.")
        result: dict[str, Any] = answer["result"]
        return result

    def wait(self, until: Callable[[], bool]) -> None:
        """Take in what the browser reports until a condition holds.

        Raises:
            ExportError: it ended, or reported nothing that made the condition hold in ``WAIT_SECONDS``.
        """
        end = time.monotonic() + WAIT_SECONDS
        while not until():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise ExportError(f"Chromium has not answered within {WAIT_SECONDS:.0f} s.")
            piece = os.read(self._from, 1 << 20)
            if not piece:
                raise ExportError("Chromium ended; try it by hand: chromium --headless --dump-dom about:blank")
            *messages, self._buffer = (self._buffer + piece).split(b"\0")
            for message in messages:
                self._take(json.loads(message))

    def _send(self, method: str, session: str | None, params: dict[str, Any]) -> int:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        return self._last

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        method, params = message["method"], message["params"]
        self.events.append((method, params))
        if method == "Target.attachedToTarget":
            # pages, workers and service workers: each reports from its first moment on
            child = params["sessionId"]
            for command in ("Runtime.enable", "Log.enable", "Network.enable"):
                self._send(command, child, {})
            auto = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
            self._send("Target.setAutoAttach", child, auto)
            self._send("Runtime.runIfWaitingForDebugger", child, {})


class Page:
    """An open page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol for this page."""
        return self.browser.call(method, self.session, **params)

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, waiting for a promise; JSON types only.

        Raises:
            ExportError: it throws.
        """
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise ExportError(f"the page fails: {details.get('exception', {}).get('description', details['text'])}")
        return result["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true; asked anew at every frame."""
        self.evaluate(
            f"new Promise(done => {{ const ask = () => ({condition}) ? done() : setTimeout(ask, 16); ask() }})"
        )

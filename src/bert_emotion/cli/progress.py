"""Progress on stderr: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_SECONDS = 20
"""Time between two lines where stderr is not a terminal."""


@contextmanager
def byte_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each file: call it with (file, bytes done, bytes in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:

        def show(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=total)
            bars.update(tasks[file], completed=done)

        yield show


@contextmanager
def training_bars() -> Iterator[Callable[[str, int, int, float, float | None], None]]:
    """A bar for each stage: call it with (stage, step, steps, loss, newest dev score)."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[scores]}"),
            TimeRemainingColumn(),
        )
        tasks: dict[str, TaskID] = {}
        with Progress(*columns, console=Console(stderr=True)) as bars:

            def show(stage: str, step: int, steps: int, loss: float, dev: float | None) -> None:
                if stage not in tasks:
                    tasks[stage] = bars.add_task(stage, total=steps, scores="")
                bars.update(tasks[stage], completed=step, scores=_scores(loss, dev))

            yield show
        return

    told: dict[str, tuple[float, float]] = {}

    def tell(stage: str, step: int, steps: int, loss: float, dev: float | None) -> None:
        now = time.monotonic()
        started, last = told.setdefault(stage, (now, 0.0))
        if now - last >= LINE_SECONDS or step == steps:
            told[stage] = (started, now)
            eta = (now - started) / max(1, step) * (steps - step)
            sys.stderr.write(f"{stage}: {step}/{steps} {_scores(loss, dev)} eta {eta / 60:.0f} min\n")

    yield tell


def _scores(loss: float, dev: float | None) -> str:
    return f"loss {loss:.3f}" + ("" if dev is None else f" dev macro-F1 {dev:.4f}")

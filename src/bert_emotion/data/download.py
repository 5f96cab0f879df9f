"""Fetch the files of a source from their public addresses: checked, resumable, with a progress bar."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bert_emotion.artifact import sha256_of
from bert_emotion.data.sources import Source, SourceFile
from bert_emotion.errors import DataError

CHUNK = 1 << 16
TIMEOUT_SECONDS = 30

Progress = Callable[[str, int, int], None]
"""Called with (file, bytes done, bytes in all)."""


def ensure(source: Source, raw: Path, *, offline: bool = False, progress: Progress | None = None) -> None:
    """Make sure that every file of `source` lies below `raw` with the right checksum.

    A file that is there is only checked; a missing one is downloaded, and a partial download
    (``<name>.part``) is continued.

    Raises:
        DataError: wrong checksum, no public address, no network, or a missing file with ``offline=True``.
    """
    for file in source.files:
        path = raw / file.path
        if not path.exists():
            if offline:
                raise DataError(f"{path} is missing and downloads are off. Put it there or drop --offline.")
            _download(file, path, progress)
        found = sha256_of(path)
        if found != file.sha256:
            raise DataError(
                f"{path} has sha256 {found[:12]}…, expected {file.sha256[:12]}… ({source.name} {source.revision}). "
                "Remove it to fetch it again."
            )


def _download(file: SourceFile, path: Path, progress: Progress | None) -> None:
    if file.url is None:
        raise DataError(
            f"{path} is missing and has no single public file. Its origin stands in sources.json: put it there."
        )
    partial = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            if done and answer.status != 206:  # the server ignores ranges: start over
                done = 0
            with partial.open("ab" if done else "wb") as out:
                while chunk := answer.read(CHUNK):
                    out.write(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(file.path, done, file.size)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise DataError(f"could not fetch {file.url}: {error}. Run the command again to continue.") from error
    found = sha256_of(partial)
    if found != file.sha256:
        partial.unlink()
        raise DataError(
            f"{file.url} gave sha256 {found[:12]}…, expected {file.sha256[:12]}…; the download was dropped."
        )
    partial.replace(path)

"""Reads the logs of all services as one stream; each line begins with its log's name.

A service may have a second log, `NAME-access.log`.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path


class LogReader:
    """Follows the `*.log` files of services (`names`; empty: all), also rotated and new files."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = names
        # By file: its inode, and the number of bytes that were read.
        self._read: dict[Path, tuple[int, int]] = {}

    def new_lines(self, last: int | None = None) -> Iterator[str]:
        """The complete lines written since the last call; of each log only the `last` ones."""
        for path in sorted(self._folder.glob("*.log")):
            if not self._names or path.stem.removesuffix("-access") in self._names:
                for line in deque(self._unread(path), maxlen=last):
                    yield f"{path.stem:<16} | {line.decode(errors='replace')}"

    def _unread(self, path: Path) -> list[bytes]:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            inode, offset = self._read.get(path, (status.st_ino, 0))
            if inode != status.st_ino or offset > status.st_size:
                offset = 0  # rotated
            file.seek(offset)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read[path] = (status.st_ino, offset + len(whole))
        return whole.splitlines()

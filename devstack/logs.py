"""Reads the logs of all services as one stream; each line begins with its service's name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


class LogReader:
    """Follows the `*.log` files of a folder; sees rotated and new files.

    `names`: those of the services to read; empty: all.
    """

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder = folder
        self._names = names
        # By file: its inode, and the number of bytes that were read.
        self._read: dict[Path, tuple[int, int]] = {}

    def tail(self, lines: int) -> Iterator[str]:
        """The last `lines` lines of each log; `new_lines` continues after them."""
        for path in self._files():
            content = path.read_bytes()
            self._read[path] = (path.stat().st_ino, len(content))
            yield from self._prefixed(path, content.splitlines()[-lines:] if lines else [])

    def new_lines(self) -> Iterator[str]:
        """The complete lines that were written since the last call."""
        for path in self._files():
            with path.open("rb") as file:
                inode, size = os.fstat(file.fileno()).st_ino, os.fstat(file.fileno()).st_size
                known, offset = self._read.get(path, (inode, 0))
                if known != inode or offset > size:
                    offset = 0  # rotated
                file.seek(offset)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read[path] = (inode, offset + len(whole))
            yield from self._prefixed(path, whole.splitlines())

    def _files(self) -> list[Path]:
        return sorted(
            path
            for path in self._folder.glob("*.log")
            if not self._names or path.stem in self._names
        )

    @staticmethod
    def _prefixed(path: Path, lines: list[bytes]) -> Iterator[str]:
        for line in lines:
            yield f"{path.stem:<16} | {line.decode(errors='replace')}"

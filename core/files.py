"""Files that a web server reads while they are replaced."""

import hashlib
import os
from pathlib import Path


def replace_file(file: Path, content: bytes) -> None:
    """Write a file. A reader finds the old one or the new one, never a part of one."""
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(content)
    os.replace(new, file)


def etag_of(content: bytes, *, suffix: str = "") -> bytes:
    """The ETag of a file with this content, and of its form that `suffix` names.

    The web server's own are made of the time and the size, and may be the same for two releases.
    """
    return f'"{hashlib.sha256(content).hexdigest()[:32]}{suffix}"'.encode()

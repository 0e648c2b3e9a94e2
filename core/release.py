"""Tells releases apart, so that one does not read what another has stored for itself."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from django.apps import apps

_PROJECT = Path(__file__).parents[1]


@cache
def code_hash() -> str:
    """A hash of the code of the project's own apps, read once a process, when Django starts."""
    digest = sha256()
    for path in _code_files():
        name = str(path.relative_to(_PROJECT)).encode()
        digest.update(b"%b %d " % (name, path.stat().st_size) + path.read_bytes())
    return digest.hexdigest()


def _code_files() -> list[Path]:
    """The code of the local apps, in an order that is the same everywhere."""
    folders = [Path(config.path) for config in apps.get_app_configs()]
    local = [folder for folder in folders if folder.parent == _PROJECT]
    paths = (path for folder in local for path in folder.rglob("*"))
    return sorted(path for path in paths if path.suffix in {".py", ".lua"})

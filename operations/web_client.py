"""Publishes the web client: copies its built files to where the web server finds them.

The client's pages are one file, `index.html`, which names its assets. Those have a hash in their
names. A page that is open may still ask for assets of an older build, so they stay.
"""

from pathlib import Path

from django.conf import settings

from core.files import etag_of, replace_file

_PAGE = "index.html"
# Files in this folder never change: the web server tells browsers to ask for them once.
_ASSETS = "assets"


def publish_web_client(*, source: Path, folder: Path) -> bool:
    """Copy the files of the built client from `source` into `folder`. False if it is not built.

    The page comes last, so that whoever gets it finds all that it names. Each file that may change
    has an `.etag` beside it, which is removed before and written after it: no file is ever served
    with the ETag of another, also if this is killed in between.
    """
    if not is_built(source):
        return False
    names = [file.relative_to(source) for file in source.rglob("*") if file.is_file()]
    for name in sorted(names, key=lambda name: (name == Path(_PAGE), name)):
        target = folder / name
        is_asset = name.parts[0] == _ASSETS
        if is_asset and target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        content = (source / name).read_bytes()
        etag = target.with_name(f"{target.name}.etag")
        etag.unlink(missing_ok=True)
        replace_file(target, content)
        if not is_asset:
            replace_file(etag, etag_of(content))
    return True


def published_folder() -> Path:
    """The folder of the client in STATIC_ROOT, which the web server knows."""
    return Path(settings.STATIC_ROOT, "web")


def published_page() -> str | None:
    """The page of the published client; None if there is none."""
    try:
        return (published_folder() / _PAGE).read_text()
    except FileNotFoundError:
        return None


def is_built(folder: Path) -> bool:
    """Whether a folder has a client that can be shown."""
    return (folder / _PAGE).exists()

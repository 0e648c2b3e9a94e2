"""The web client's files are published in an order in which no page lacks what it names."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from operations.web_client import is_built, publish_web_client


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "dist"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "static" / "web"


def build(source: Path, release: str) -> None:
    """What `make web` makes: a page that names its asset, and an icon."""
    (source / "assets").mkdir(parents=True, exist_ok=True)
    for old in (source / "assets").iterdir():
        old.unlink()
    (source / "assets" / f"index-{release}.js").write_text(f"// {release}")
    (source / "index.html").write_text(f"<script src=/assets/index-{release}.js></script>")
    (source / "favicon.svg").write_text("<svg/>")
    for file in (source / "index.html", source / "favicon.svg"):
        os.utime(file, (10**9, 10**9))


def texts(folder: Path) -> dict[str, str]:
    """All files in the folder but ETags, with what is in them."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in found.items() if not name.endswith(".etag")}


def test_all_files_are_copied(source: Path, folder: Path) -> None:
    build(source, "a")
    assert publish_web_client(source=source, folder=folder) is True
    assert texts(folder) == texts(source)
    assert is_built(folder)


def test_the_assets_of_an_older_build_stay_and_its_page_is_replaced(
    source: Path, folder: Path
) -> None:
    for release in ("a", "b"):
        build(source, release)
        publish_web_client(source=source, folder=folder)
    assert texts(folder) == texts(source) | {"assets/index-a.js": "// a"}


def test_builds_of_the_same_time_and_size_have_different_etags(source: Path, folder: Path) -> None:
    etags = []
    for release in ("a", "b", "a"):
        build(source, release)
        publish_web_client(source=source, folder=folder)
        etags.append((folder / "index.html.etag").read_text())
    assert etags[0] == etags[2] != etags[1]
    assert re.fullmatch('"[0-9a-f]{32}"', etags[0])
    assert (folder / "favicon.svg.etag").exists()
    assert not (folder / "assets" / "index-a.js.etag").exists(), "an asset never changes"


def test_whenever_it_stops_the_page_has_all_that_it_names(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build is published over another one. Each time, one more file gets to its place."""
    build(source, "a")
    publish_web_client(source=source, folder=folder)
    build(source, "b")
    replace, allowed, left = os.replace, 0, 0

    def replace_some(old: Path, new: Path) -> None:
        nonlocal left
        if not left:
            raise OSError
        left -= 1
        replace(old, new)

    monkeypatch.setattr(os, "replace", replace_some)
    while True:
        left = allowed
        try:
            publish_web_client(source=source, folder=folder)
        except OSError:
            page = (folder / "index.html").read_text()
            for name in re.findall(r"src=/([^>]+)>", page):
                assert (folder / name).exists(), page
            allowed += 1
        else:
            break
    assert allowed >= 4
    assert texts(folder) == texts(source) | {"assets/index-a.js": "// a"}


def test_a_client_that_is_not_built_is_not_published(source: Path, folder: Path) -> None:
    assert publish_web_client(source=source, folder=folder) is False
    build(source, "a")
    (source / "index.html").unlink()
    assert publish_web_client(source=source, folder=folder) is False
    assert not folder.exists()
    assert not is_built(folder)


@pytest.mark.usefixtures("committed")
def test_prepare_publishes_the_client_or_says_how_to_build_it(
    source: Path, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.WEB_CLIENT_DIR, settings.STATIC_ROOT = source, str(tmp_path / "static")
    call_command("prepare")
    assert "The web client is not built: `make web` builds it." in capsys.readouterr().out
    build(source, "a")
    call_command("prepare")
    assert "not built" not in capsys.readouterr().out
    assert texts(tmp_path / "static" / "web") == texts(source)

"""The hash of a release's code."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps

from core import release
from devstack.layout import PROJECT_DIR


@pytest.fixture(autouse=True)
def no_cached_hash() -> Iterator[None]:
    release.code_hash.cache_clear()
    yield
    release.code_hash.cache_clear()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one local app, and one that is installed in its folder's `.venv`."""
    monkeypatch.setattr(release, "_PROJECT", tmp_path)
    folders = [tmp_path / "feed", tmp_path / ".venv" / "other"]
    for folder in folders:
        (folder / "scripts").mkdir(parents=True)
        (folder / "models.py").write_text("one = 1")
        (folder / "scripts" / "read.lua").write_text("return 1")
        (folder / "notes.txt").write_text("Notes.")
    configs = [SimpleNamespace(path=str(folder)) for folder in folders]
    monkeypatch.setattr(apps, "get_app_configs", lambda: configs)
    return tmp_path


def test_all_code_of_all_local_apps_is_in_it() -> None:
    names = {str(path.relative_to(PROJECT_DIR)) for path in release._code_files()}
    assert {"timeline/scripts/read.lua", "posts/records.py", "core/http/rendering.py"} <= names
    apps_there = {path.parent.name for path in PROJECT_DIR.glob("*/__init__.py")} - {"tests"}
    assert apps_there <= {name.split("/")[0] for name in names}
    assert {Path(name).suffix for name in names} == {".py", ".lua"}


@pytest.mark.parametrize("name", ["models.py", "scripts/read.lua"])
def test_a_change_of_code_changes_it(project: Path, name: str) -> None:
    before = release.code_hash()
    with (project / "feed" / name).open("a") as file:
        file.write(" ")
    assert release.code_hash() == before, "it is read once a process"
    release.code_hash.cache_clear()
    assert release.code_hash() != before


@pytest.mark.parametrize("name", ["feed/notes.txt", ".venv/other/models.py"])
def test_what_is_no_code_of_ours_does_not_change_it(project: Path, name: str) -> None:
    before = release.code_hash()
    (project / name).write_text("Anew.")
    release.code_hash.cache_clear()
    assert release.code_hash() == before


def test_moving_code_from_one_file_to_another_changes_it(project: Path) -> None:
    before = release.code_hash()
    (project / "feed" / "models.py").rename(project / "feed" / "views.py")
    release.code_hash.cache_clear()
    assert release.code_hash() != before

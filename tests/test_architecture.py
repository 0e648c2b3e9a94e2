"""The shape of the code, where a linter does not hold it."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin

from core.outbox.events import Event
from devstack.layout import PROJECT_DIR

ROOMS = {
    "__init__", "admin", "apps", "audit", "authentication", "backlog", "events", "explain",
    "handlers", "headless", "images", "keys", "listeners", "models", "outbox", "parsers",
    "reconcile", "records", "refresh", "removal", "selectors", "serializers", "services",
    "sessions", "slices", "storage", "store", "tasks", "tokens", "unchanged", "urls", "views",
}  # fmt: skip
MAX_LINES = 400


def local_apps() -> set[str]:
    return {
        config.name
        for config in apps.get_app_configs()
        if Path(config.path).parent == PROJECT_DIR and config.name != "socialfeed"
    }


def modules() -> list[Path]:
    folders = [*local_apps(), "socialfeed", "tests", "deploy"]
    return [path for folder in folders for path in (PROJECT_DIR / folder).rglob("*.py")]


def test_every_local_app_is_in_the_import_contracts() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(PROJECT_DIR / ".importlinter")
    layers = set(re.findall(r"\w+", contracts["importlinter:contract:layers"]["layers"]))
    roots = set(contracts["importlinter"]["root_packages"].split())
    assert len(local_apps()) == 7
    assert local_apps() <= layers
    assert local_apps() <= roots
    for app in local_apps():
        assert f"importlinter:contract:private-{app}" in contracts


def test_every_module_of_an_app_is_one_of_the_rooms() -> None:
    for app in local_apps():
        assert {path.stem for path in (PROJECT_DIR / app).glob("*.py")} <= ROOMS


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT_DIR)))
def test_a_module_says_what_it_is_for_and_can_be_read_in_one_sitting(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_LINES
    if source.strip() and "migrations" not in path.parts:
        assert ast.get_docstring(ast.parse(source))


def test_every_model_is_in_the_admin() -> None:
    models = {model for app in local_apps() for model in apps.get_app_config(app).get_models()}
    assert models
    assert models <= set(admin.site._registry)


def test_every_event_is_in_the_event_table() -> None:
    table = (PROJECT_DIR / "docs" / "architecture.md").read_text()
    names = {
        f"{path.parent.name}.events.{name}"
        for path in PROJECT_DIR.glob("*/events.py")
        for name, value in vars(__import__(f"{path.parent.name}.events").events).items()
        if isinstance(value, Event)
    }
    assert len(names) == 11
    for name in names:
        assert f"`{name}`" in table


def test_each_dependency_has_a_line_in_the_architecture() -> None:
    pages = (PROJECT_DIR / "docs" / "architecture.md").read_text()
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (PROJECT_DIR / file).read_text().splitlines():
            if name := re.match(r"([A-Za-z0-9-]+)(\[.*\])?==", line):
                assert f"`{name[1]}`" in pages, name[1]

"""The rules of structure that no linter checks."""

import ast
import configparser
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin

from core.outbox.events import Event
from devstack.layout import PROJECT_DIR

SERVICES = {"comments", "fanout", "media", "posts", "timeline", "usergraph", "users"}
# What other packages may import of a service; only the project imports its URLs.
PUBLIC_ROOMS = {"events", "selectors", "serializers", "services", "urls", "visibility"}
ROOMS = PUBLIC_ROOMS | {
    "__init__", "addresses", "admin", "admission", "audit", "authentication", "blocks", "cdn",
    "claims", "decoder", "decoding", "documents", "entries", "follows", "handlers", "held",
    "images", "incoming", "inventory", "keys", "listeners", "models", "mutes", "objects",
    "own_lists", "page_replay", "pages", "parsers", "pictures", "places", "previews", "processing",
    "records", "related", "remaking", "rules", "sandbox", "search", "seen", "session_stores",
    "sessions", "storage", "store", "suggestions", "tasks", "uploads", "usage", "usernames",
    "variants", "views", "waiting",
}  # fmt: skip
MAX_LINES = 400


def packages() -> set[str]:
    """All packages of the project but its tests."""
    return {path.parent.name for path in PROJECT_DIR.glob("*/__init__.py")} - {"tests"}


def modules() -> list[Path]:
    folders = [*packages(), "tests", "deploy"]
    return [path for folder in folders for path in (PROJECT_DIR / folder).rglob("*.py")]


def contracts() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(PROJECT_DIR / ".importlinter")
    return found


def test_every_package_is_in_the_import_contract() -> None:
    layers = contracts()["importlinter:contract:layers"]["layers"]
    in_layers = set(re.findall(r"\w+", re.sub(r"^;.*$", "", layers, flags=re.M)))
    assert set(contracts()["importlinter"]["root_packages"].split()) == packages()
    assert in_layers == packages() - {"devstack"}
    assert in_layers >= SERVICES


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_the_inside_of_a_service_is_protected(service: str) -> None:
    """All of its rooms except the public ones and those that only Django imports."""
    for_operations = set(contracts()["importlinter:contract:audits"]["protected_modules"].split())
    contract = contracts()[f"importlinter:contract:private-{service}"]
    folder = PROJECT_DIR / service
    inside = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    inside -= PUBLIC_ROOMS | {"__init__", "management", "migrations"}
    protected = {f"{service}.{room}" for room in inside} - for_operations
    assert protected == set(contract["protected_modules"].split())


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_module_of_a_service_is_one_of_the_rooms(service: str) -> None:
    assert {path.stem for path in (PROJECT_DIR / service).glob("*.py")} <= ROOMS


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT_DIR)))
def test_a_module_says_what_it_is_for_and_can_be_read_in_one_sitting(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_LINES
    if source.strip() and "migrations" not in path.parts:
        assert ast.get_docstring(ast.parse(source))


def test_every_model_is_in_the_admin() -> None:
    models = {model for app in SERVICES for model in apps.get_app_config(app).get_models()}
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
    assert len(names) == 26
    for name in names:
        assert f"`{name}`" in table


def test_each_dependency_has_a_line_in_the_architecture() -> None:
    pages = (PROJECT_DIR / "docs" / "architecture.md").read_text()
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (PROJECT_DIR / file).read_text().splitlines():
            if name := re.match(r"([A-Za-z0-9-]+)(\[.*\])?==", line):
                assert f"`{name[1]}`" in pages, name[1]

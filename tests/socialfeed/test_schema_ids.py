"""Everything in the schema that names an id is a text: JavaScript's numbers are exact to 2^53."""

from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from core.ids import MAX_ID

DIGITS = "^[0-9]{1,19}$"
# Names of ids that do not say so.
OTHER_NAMES = {"avatar", "media", "reply_to"}
# Texts that are no number: of a session, of a request, and the name of a step of a log-in.
NO_NUMBERS = {
    *("components.schemas.SessionDocument.properties.id", "components.schemas.Flow.properties.id"),
    "components.schemas.ProblemDocument.properties.request_id",
    "paths./api/v1/users/me/sessions/{session_id}.delete.parameters.session_id",
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call, no-any-return]


def is_id(name: str) -> bool:
    return name == "id" or name.endswith(("_id", "_ids")) or name in OTHER_NAMES


def described_ids(node: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All properties, items and parameters whose name is that of an id, with their place."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            name = child.get("name", index) if isinstance(child, dict) else index
            yield from described_ids(child, f"{at}.{name}")
    if not isinstance(node, dict):
        return
    if is_id(str(node.get("name", ""))) and "in" in node:
        yield at, node["schema"]
    for name, child in node.items():
        place = f"{at}.{name}".lstrip(".")
        if at.endswith(".properties") and is_id(name):
            one = child.get("items", child)
            # `media` of a post's document is a list of whole documents.
            if "$ref" not in one:
                yield place, one
        if name not in ("example", "examples"):
            yield from described_ids(child, place)


def values_called_id(node: Any) -> Iterator[Any]:
    """The values of an example under names of ids."""
    for name, child in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(child, (dict, list)):
            yield from values_called_id(child)
        elif is_id(str(name)):
            yield child


def examples(node: Any) -> Iterator[Any]:
    for name, child in node.items() if isinstance(node, dict) else enumerate(node):
        if name in ("example", "examples"):
            yield child
        elif isinstance(child, (dict, list)):
            yield from examples(child)


def test_every_id_is_a_text_of_digits(schema: dict[str, Any]) -> None:
    found = dict(described_ids(schema))
    assert found.keys() >= NO_NUMBERS
    assert len(found) > 30
    for place, described in found.items():
        assert described["type"] == "string", place
        if place not in NO_NUMBERS:
            assert described["pattern"] == DIGITS, place


def test_no_number_in_the_schema_may_be_as_large_as_an_id(schema: dict[str, Any]) -> None:
    def walk(node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            yield node
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, (dict, list)):
                yield from walk(child)

    for node in walk(schema):
        assert node.get("format") != "int64", node
        maximum = node.get("maximum")
        assert not isinstance(maximum, int) or maximum < 2**53 < MAX_ID, node


def test_the_ids_of_examples_are_texts(schema: dict[str, Any]) -> None:
    values = [value for example in examples(schema) for value in values_called_id([example])]
    assert len(values) > 20
    for value in values:
        assert value is None or isinstance(value, str), value

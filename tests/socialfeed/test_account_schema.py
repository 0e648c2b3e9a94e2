"""The schema of django-allauth's endpoints says what this service answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from core.http.problems import CONTENT_TYPE
from socialfeed.account_schema import DEVICE_HEADER
from socialfeed.schema import ACCOUNT_PREFIX
from users.accounts import devices


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call, no-any-return]


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        if path.startswith(ACCOUNT_PREFIX):
            for operation in item.values():
                yield path.removeprefix(ACCOUNT_PREFIX), operation


def test_every_error_is_a_problem_document(schema: dict[str, Any]) -> None:
    errors = 0
    for path, operation in operations(schema):
        for status, response in operation["responses"].items():
            if status == "default" or status >= "400":
                errors += 1
                assert response["content"].keys() == {CONTENT_TYPE}, (path, status)
                assert "ProblemDocument" in json.dumps(response["content"]), (path, status)
        assert "default" in operation["responses"], path
    assert errors > 80


def test_what_changes_an_account_says_that_it_needs_a_log_in(schema: dict[str, Any]) -> None:
    for path, operation in operations(schema):
        needs_log_in = path.startswith("account/") or path.endswith("reauthenticate")
        assert bool(operation.get("security")) == needs_log_in, path
        if needs_log_in:
            assert operation["security"] == [{"bearer": []}, {"session": []}]
    assert schema["components"]["securitySchemes"].keys() == {"bearer", "session"}


def test_a_users_id_is_a_text_as_everywhere(schema: dict[str, Any]) -> None:
    assert schema["components"]["schemas"]["User"]["properties"]["id"]["type"] == "string"


def test_what_is_not_used_is_not_described(schema: dict[str, Any]) -> None:
    assert "phone" not in json.dumps(schema["components"]["schemas"]["Login"])
    text = json.dumps(schema)
    for kind, members in schema["components"].items():
        if kind != "securitySchemes":
            for name in members:
                assert f'"#/components/{kind}/{name}"' in text, (kind, name)


def test_the_token_of_a_device_is_described(schema: dict[str, Any]) -> None:
    taking = {
        path
        for path, operation in operations(schema)
        if any(named.get("name") == DEVICE_HEADER for named in operation.get("parameters", []))
    }
    assert taking == {"auth/login", "auth/2fa/authenticate"}
    assert DEVICE_HEADER == devices.HEADER
    meta = schema["components"]["schemas"]["AuthenticationMeta"]["allOf"][1]["properties"]
    assert DEVICE_HEADER in meta["device_token"]["description"]

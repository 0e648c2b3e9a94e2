"""The schema of django-allauth's endpoints says what this service answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from core.http.problems import CONTENT_TYPE
from socialfeed.account_components import DEVICE_HEADER, REFRESH_COOKIE_HEADER
from socialfeed.schema import ACCOUNT_PREFIX
from users.accounts import devices, refresh_cookie

# Problem documents with members of their own.
EXTENDED = ("LogInProblem", "AuthenticatorOffer")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call, no-any-return]


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        if path.startswith(ACCOUNT_PREFIX):
            for operation in item.values():
                yield path.removeprefix(ACCOUNT_PREFIX), operation


def taking(schema: dict[str, Any], header: str) -> set[str]:
    """The ids of the operations that take a header."""
    return {
        operation["operationId"].removeprefix("accounts_")
        for _, operation in operations(schema)
        if any(named.get("name") == header for named in operation.get("parameters", []))
    }


def test_every_error_is_a_problem_document(schema: dict[str, Any]) -> None:
    errors = 0
    for path, operation in operations(schema):
        for status, response in operation["responses"].items():
            if status == "default" or status >= "400":
                errors += 1
                assert response["content"].keys() == {CONTENT_TYPE}, (path, status)
                component = response["content"][CONTENT_TYPE]["schema"]["$ref"].rpartition("/")[2]
                assert component in {"ProblemDocument", *EXTENDED}, (path, status)
        assert "default" in operation["responses"], path
    for name in EXTENDED:
        problem = schema["components"]["schemas"][name]
        assert problem["allOf"][0] == {"$ref": "#/components/schemas/ProblemDocument"}
    assert errors > 80


def test_what_changes_an_account_says_that_it_needs_a_log_in(schema: dict[str, Any]) -> None:
    for path, operation in operations(schema):
        needs_log_in = path.startswith("account/") or path.endswith(("reauthenticate", "session"))
        assert operation["security"] == ([{"bearer": []}, {"session": []}] if needs_log_in else [])
        if needs_log_in:
            assert {"401", "410"} <= operation["responses"].keys(), path
    assert schema["components"]["securitySchemes"].keys() == {"bearer", "session"}


def test_a_users_id_is_a_text_as_everywhere(schema: dict[str, Any]) -> None:
    assert schema["components"]["schemas"]["User"]["properties"]["id"]["type"] == "string"
    assert "id" in schema["components"]["schemas"]["User"]["required"]


def test_every_operation_says_what_success_is(schema: dict[str, Any]) -> None:
    for path, operation in operations(schema):
        success = [status for status in operation["responses"] if status.startswith("2")]
        assert success == ["200"], path
        content = operation["responses"]["200"]["content"]["application/json"]
        component = schema["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        assert "status" in component["required"], path


def test_every_body_has_to_be_sent_and_its_type_has_a_name(schema: dict[str, Any]) -> None:
    bodies = 0
    for path, operation in operations(schema):
        if body := operation.get("requestBody"):
            found = schema["components"]["requestBodies"][body["$ref"].rpartition("/")[2]]
            assert found["required"], path
            assert "$ref" in found["content"]["application/json"]["schema"], path
            bodies += 1
    assert bodies > 12


def test_a_log_in_has_fields_and_its_answer_has_tokens(schema: dict[str, Any]) -> None:
    schemas = schema["components"]["schemas"]
    assert schemas["Login"]["properties"].keys() == {"username", "email", "password"}
    assert schemas["Login"]["required"] == ["password"]
    for path in ("auth/login", "auth/signup", "auth/2fa/authenticate"):
        answer = schema["paths"][ACCOUNT_PREFIX + path]["post"]["responses"]["200"]
        reference = answer["content"]["application/json"]["schema"]["$ref"]
        assert reference == "#/components/schemas/LogInResponse"
    assert "access_token" in schemas["LogInMeta"]["required"]
    assert "refresh_token" in schemas["LogInMeta"]["properties"]


def test_what_an_authenticator_app_begins_with_is_described(schema: dict[str, Any]) -> None:
    path = schema["paths"][ACCOUNT_PREFIX + "account/authenticators/totp"]
    offered = path["get"]["responses"]["404"]["content"][CONTENT_TYPE]["schema"]["$ref"]
    _, own = schema["components"]["schemas"][offered.rpartition("/")[2]]["allOf"]
    assert set(own["properties"]["meta"]["required"]) == {"secret", "totp_url"}


def test_what_is_not_used_is_not_described(schema: dict[str, Any]) -> None:
    text = json.dumps(schema)
    for absent in ("phone", "provider", "webauthn", "WebAuthn"):
        assert absent not in json.dumps(schema["components"]), absent
    for kind, members in schema["components"].items():
        if kind != "securitySchemes":
            for name in members:
                assert f'"#/components/{kind}/{name}"' in text, (kind, name)


def test_the_token_of_a_device_is_described(schema: dict[str, Any]) -> None:
    assert taking(schema, DEVICE_HEADER) == {"auth_login_post", "auth_2fa_authenticate_post"}
    assert DEVICE_HEADER == devices.HEADER
    meta = schema["components"]["schemas"]["LogInMeta"]["properties"]
    assert DEVICE_HEADER in meta["device_token"]["description"]


def test_where_the_refresh_token_may_be_in_a_cookie_it_need_not_be_in_the_body(
    schema: dict[str, Any],
) -> None:
    assert taking(schema, REFRESH_COOKIE_HEADER) == {
        *("auth_login_post", "auth_signup_post", "auth_2fa_authenticate_post"),
        *("account_password_change_post", "tokens_refresh_post", "auth_session_delete"),
    }
    assert REFRESH_COOKIE_HEADER == refresh_cookie.HEADER
    assert refresh_cookie.PATH == ACCOUNT_PREFIX
    text = json.dumps(schema["components"]["schemas"])
    assert text.count('"refresh_token": {') == 4
    assert not re.search(r'"required": \[[^]]*"refresh_token"', text)

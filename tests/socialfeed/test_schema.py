"""The OpenAPI schema is valid, complete, and full of examples."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call, no-any-return]


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method in METHODS & methods.keys():
            yield path, method, methods[method]


def leaves(node: URLPattern | URLResolver) -> Iterator[URLPattern]:
    if isinstance(node, URLPattern):
        yield node
    else:
        for child in node.url_patterns:
            yield from leaves(child)


def test_the_schema_is_valid_openapi_and_gives_no_warning(
    schema: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    assert capsys.readouterr().err == ""
    validate_schema(schema)  # type: ignore[no-untyped-call]


def test_every_api_address_is_in_the_schema(schema: dict[str, Any]) -> None:
    mounted = next(r for r in get_resolver().url_patterns if str(r.pattern) == "api/v1/")
    views = list(leaves(mounted))
    described = {path for path in schema["paths"] if path.startswith("/api/v1/")}
    assert len(described) == len(views) >= 12


def test_sign_up_and_log_in_are_in_the_schema(schema: dict[str, Any]) -> None:
    wanted = {"auth/signup", "auth/login", "auth/session", "tokens/refresh", "auth/password/reset"}
    assert {f"/_allauth/app/v1/{path}" for path in wanted} <= schema["paths"].keys()


def test_every_operation_of_ours_says_what_it_does_and_how_it_fails(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        if path.startswith("/api/v1/"):
            assert operation["description"], (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert operation["tags"], (method, path)


def test_every_operation_says_that_it_is_limited(schema: dict[str, Any]) -> None:
    names = {f"RateLimit-{what}" for what in ("Limit", "Remaining", "Reset", "Policy")}
    assert schema["components"]["headers"].keys() >= names | {"Retry-After"}
    for path, method, operation in operations(schema):
        refused = operation["responses"]["429"]
        assert refused["headers"].keys() == names | {"Retry-After", "X-Request-ID"}, (method, path)
        assert "application/problem+json" in refused["content"], (method, path)


def test_likes_and_comments_are_in_the_schema(schema: dict[str, Any]) -> None:
    methods = {
        "/posts/{post_id}/like": {"put", "delete"},
        "/posts/{post_id}/likes": {"get"},
        "/posts/{post_id}/comments": {"get", "post"},
        "/comments/{comment_id}": {"get", "patch", "delete"},
        "/comments/{comment_id}/like": {"put", "delete"},
        "/comments/{comment_id}/likes": {"get"},
    }
    for path, wanted in methods.items():
        assert METHODS & schema["paths"][f"/api/v1{path}"].keys() == wanted
    listing = schema["paths"]["/api/v1/posts/{post_id}/comments"]["get"]
    assert {"limit", "cursor", "order", "reply_to", "top_level"} <= {
        one.get("name") for one in listing["parameters"]
    }
    post = schema["components"]["schemas"]["PostDocument"]["properties"]
    assert {"counts", "viewer", "recent_likes", "recent_comments"} <= post.keys()


def test_deleting_ones_account_takes_the_password_and_no_other_delete_a_body(
    schema: dict[str, Any],
) -> None:
    bodies = {
        path: operation["requestBody"]
        for path, method, operation in operations(schema)
        if method == "delete" and path.startswith("/api/v1/") and "requestBody" in operation
    }
    assert bodies.keys() == {"/api/v1/users/me"}
    body = bodies["/api/v1/users/me"]
    assert body["required"]
    reference = {"$ref": "#/components/schemas/AccountToDeleteRequest"}
    assert body["content"]["application/json"]["schema"] == reference
    component = schema["components"]["schemas"]["AccountToDeleteRequest"]
    assert component["required"] == ["password"]


def test_a_body_that_is_described_has_to_be_sent(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        if path.startswith("/api/v1/") and (body := operation.get("requestBody")):
            assert body["required"], (method, path)


def test_every_post_of_ours_takes_a_key_and_nothing_else_does(schema: dict[str, Any]) -> None:
    posts = 0
    for path, method, operation in operations(schema):
        if not path.startswith("/api/v1/"):
            continue
        takes_key = method == "post"
        posts += takes_key
        keys = [
            one for one in operation.get("parameters", ()) if one.get("name") == "Idempotency-Key"
        ]
        assert len(keys) == takes_key, (method, path)
        assert all("example" not in json.dumps(key) for key in keys), "one key, sent by everybody"
        problems = {"409", "422"} & operation["responses"].keys()
        assert problems == ({"409", "422"} if takes_key else set()), (method, path)
        for status in problems:
            assert "application/problem+json" in operation["responses"][status]["content"]
    assert posts >= 3


def test_ids_are_texts_in_requests_too(schema: dict[str, Any]) -> None:
    schemas = schema["components"]["schemas"]
    ids = [
        schemas["NewPostRequest"]["properties"]["media"]["items"],
        schemas["NewCommentRequest"]["properties"]["reply_to"],
        schemas["PatchedProfileChangesRequest"]["properties"]["avatar"],
    ]
    for described in ids:
        assert described["type"] == "string"
        assert described["pattern"] == "^[0-9]{1,19}$"


def test_every_body_that_is_sent_or_answered_has_an_example(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        if not path.startswith("/api/v1/"):
            continue
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for kind, content in body.get("content", {}).items():
                if kind == "application/json":
                    assert content.get("examples"), (method, path)

"""A browser client of another origin (CORS): what its scripts may send, and what they may read.

The stack of the tests names two origins in CORS_ALLOWED_ORIGINS.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from devstack.lifecycle import Stack
from socialfeed.account_components import REFRESH_COOKIE_HEADER
from tests.support.client import Person

APP = "https://app.example.org"
NAMED = (APP, "http://localhost:5173")
STRANGERS = (
    *("https://evil.example.org", "https://app.example.org.evil.org", "http://app.example.org"),
    *("https://app.example.org:444", "null", "*", ",", f"{APP},https://evil.example.org"),
)
API = ("/api/v1/timeline/home", "/_allauth/app/v1/auth/session")
OTHERS = (
    *("/admin/login/", "/", "/log-in", "/assets/none.js", "/developers/", "/healthz/live"),
    *("/api/schema/", "/_allauth/browser/v1/config"),
)


def preflight(origin: str, method: str, *headers: str) -> dict[str, str]:
    """The headers of the request that a browser sends before one of a script."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return asked | ({"Access-Control-Request-Headers": ",".join(headers)} if headers else {})


def names(answer: httpx.Response, header: str) -> set[str]:
    return {name.strip().lower() for name in answer.headers.get(header, "").split(",")}


def allowing(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.fixture
def schema(http: httpx.Client) -> Any:
    return http.get("/api/schema/").json()


def operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    """Each address with an example of its parameters, its method, and what the schema says."""
    for template, methods in schema["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield re.sub("{[^}]*}", "1", template), method.upper(), operation


@pytest.mark.parametrize("origin", NAMED)
def test_a_browser_may_send_every_request_of_the_schema(
    http: httpx.Client, schema: Any, origin: str
) -> None:
    found = 0
    for path, method, operation in operations(schema):
        parameters = operation.get("parameters", [])
        headers = {one["name"].lower() for one in parameters if one.get("in") == "header"}
        # That one is for scripts of our own origin.
        sent = ["authorization", "content-type", *headers - {REFRESH_COOKIE_HEADER.lower()}]
        answer = http.options(path, headers=preflight(origin, method, *sent))
        assert answer.status_code == 200, path
        assert answer.headers["Access-Control-Allow-Origin"] == origin, path
        assert method.lower() in names(answer, "Access-Control-Allow-Methods"), path
        assert {*sent} <= names(answer, "Access-Control-Allow-Headers"), path
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "RateLimit-Limit" not in answer.headers, "a preflight is not counted"
        found += 1
    assert found > 50


def test_a_script_reads_every_header_of_the_schema(http: httpx.Client, schema: Any) -> None:
    described = {
        name.lower()
        for _, _, operation in operations(schema)
        for answer in operation["responses"].values()
        for name in answer.get("headers", {})
    }
    described |= {"consistency-token", "etag", "link", "location", "retry-after", "x-request-id"}
    described |= {"idempotent-replayed", "ratelimit-limit", "www-authenticate"}
    answer = http.get(API[0], headers={"Origin": APP})
    assert described <= names(answer, "Access-Control-Expose-Headers")


def test_a_script_reads_pages_errors_and_what_is_unchanged(
    member: Callable[[str], Person], http: httpx.Client
) -> None:
    ada, script = member("ada"), {"Origin": APP}
    page = ada.http.get(API[0], headers=script)
    same = ada.http.get(API[0], headers=script | {"If-None-Match": page.headers["ETag"]})
    made = ada.http.patch("/api/v1/users/me", headers=script, json={"bio": "Diver."})
    assert made.headers["Consistency-Token"]
    answers = {
        200: page,
        304: same,
        400: ada.http.patch("/api/v1/users/me", headers=script, json={}),
        401: http.get(API[0], headers=script),
        404: ada.http.get("/api/v1/nowhere", headers=script),
        405: ada.http.put(API[0], headers=script),
        # of the web server itself
        413: ada.http.post("/api/v1/posts", headers=script, content=b" " * 1_000_001),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == APP, status
        assert "origin" in names(answer, "Vary"), status
        assert "x-request-id" in names(answer, "Access-Control-Expose-Headers"), status
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "authorization" in names(page, "Vary") & names(same, "Vary")


def test_a_cache_knows_that_the_answer_to_others_differs(member: Callable[[str], Person]) -> None:
    ada = member("ada")
    for headers in ({}, {"Origin": STRANGERS[0]}):
        page = ada.http.get(API[0], headers=headers)
        same = ada.http.get(API[0], headers=headers | {"If-None-Match": page.headers["ETag"]})
        assert (page.status_code, same.status_code) == (200, 304)
        for answer in (page, same):
            assert {"origin", "authorization"} <= names(answer, "Vary")
            assert not allowing(answer)


@pytest.mark.parametrize("origin", STRANGERS)
def test_scripts_of_another_origin_may_nothing(http: httpx.Client, origin: str) -> None:
    for path in API:
        assert not allowing(http.options(path, headers=preflight(origin, "GET", "authorization")))
        assert not allowing(http.get(path, headers={"Origin": origin}))
        assert not allowing(http.post(path, headers={"Origin": origin}, content=b" " * 1_000_001))


@pytest.mark.parametrize("path", OTHERS)
def test_only_the_api_is_for_other_origins(http: httpx.Client, path: str) -> None:
    assert not allowing(http.get(path, headers={"Origin": APP}))
    assert not allowing(http.options(path, headers=preflight(APP, "POST", "content-type")))
    assert not allowing(http.post(path, headers={"Origin": APP}, content=b" " * 1_000_001))


def test_a_preflight_is_answered_by_each_instance(stack: Stack) -> None:
    for instance in stack.status("read-api-1", "write-api-1"):
        for path in API:
            answer = httpx.options(f"{instance.url}{path}", headers=preflight(APP, "GET"))
            assert answer.headers["Access-Control-Allow-Origin"] == APP

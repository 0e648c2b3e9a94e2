"""The schema names the headers of answers, and the status of each."""

from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from core.http import idempotency, requests
from core.sql.lsns import TOKEN_HEADER
from socialfeed.schema import ACCOUNT_PREFIX

# The only answer of this status that has content.
WAITING = ("/api/v1/posts", "post", "202")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call, no-any-return]


def answers(schema: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                yield path, method, status, response


def test_every_answer_has_the_id_of_its_request(schema: dict[str, Any]) -> None:
    for *where, response in answers(schema):
        assert requests.HEADER in response["headers"], where


def test_what_writes_answers_a_token_and_what_reads_takes_one(schema: dict[str, Any]) -> None:
    for path, method, status, response in answers(schema):
        is_written = method != "get" and status.startswith("2")
        assert (TOKEN_HEADER in response["headers"]) == is_written, (path, method, status)
    reference = {"$ref": "#/components/parameters/ConsistencyToken"}
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            takes = method == "get" and not path.startswith(ACCOUNT_PREFIX)
            assert (reference in operation.get("parameters", [])) == takes, (path, method)


def test_pages_have_links(schema: dict[str, Any]) -> None:
    linked = {path for path, _, _, response in answers(schema) if "Link" in response["headers"]}
    assert "/api/v1/timeline/home" in linked
    assert "/api/v1/posts/{post_id}/comments" in linked
    assert "/api/v1/users/me" not in linked


def test_what_may_be_unchanged_has_an_etag(schema: dict[str, Any]) -> None:
    tagged = {
        (path, status) for path, _, status, answer in answers(schema) if "ETag" in answer["headers"]
    }
    assert {("/api/v1/timeline/home", "200"), ("/api/v1/timeline/home", "304")} <= tagged
    assert {status for _, status in tagged} == {"200", "304"}


def test_what_is_made_has_an_address_and_may_be_replayed(schema: dict[str, Any]) -> None:
    for path, method, status, response in answers(schema):
        is_made = status == "201" or (path, method, status) == WAITING
        assert ("Location" in response["headers"]) == is_made, (path, method)
        acts = ("/complete", "/accept", "/decline", "/approve")
        may_be_replayed = is_made or (path.endswith(acts) and status == "200")
        assert (idempotency.REPLAYED in response["headers"]) == may_be_replayed, (path, method)


def test_what_is_no_error_is_described_by_the_status_that_it_has(schema: dict[str, Any]) -> None:
    """drf-spectacular takes a DELETE for a 204 unless it is told."""
    for path, method, status, response in answers(schema):
        if status in ("202", "204", "304") and (path, method, status) != WAITING:
            assert "content" not in response, (path, method)
        elif status.startswith("2"):
            assert response["content"], (path, method)

"""Cursors and pages."""

from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from core.http.pagination import (
    DEFAULT_LIMIT,
    decode_cursor,
    encode_cursor,
    page_request,
    page_response,
)
from core.http.problems import Invalid
from core.ids import MAX_ID


@given(last=st.integers(0, MAX_ID) | st.text(max_size=30).filter(lambda s: s < "\ud800"))
def test_a_cursor_comes_back_as_it_went(last: int | str) -> None:
    assert decode_cursor(encode_cursor(last), type(last)) == last


@given(cursor=st.text(max_size=60))
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        decode_cursor(cursor, int)


def test_a_changed_cursor_is_refused() -> None:
    cursor = encode_cursor(765432109876543210)
    for index in range(len(cursor) - 1):
        changed = cursor[:index] + ("A" if cursor[index] != "A" else "B") + cursor[index + 1 :]
        with pytest.raises(Invalid):
            decode_cursor(changed, int)


def test_a_cursor_of_another_kind_of_list_is_refused() -> None:
    with pytest.raises(Invalid):
        decode_cursor(encode_cursor("ada"), int)


def test_the_next_address_keeps_the_query_and_is_null_at_the_end() -> None:
    request = Request(RequestFactory().get("/api/v1/users?search=a%26b&limit=2"))
    response = page_response(request, [1, 2], "ada")
    assert response["Link"] == f'<{response.data["next"]}>; rel="next"'
    follow_up = RequestFactory().get(response.data["next"])
    assert follow_up.GET["search"] == "a&b"
    assert follow_up.GET["limit"] == "2"
    assert page_request(follow_up, str).after == "ada"
    last = page_response(request, [], None)
    assert last.data == {"results": [], "next": None}
    assert not last.has_header("Link")


@pytest.mark.parametrize("query", ["", "limit=", "unknown=1"])
def test_what_is_left_out_has_its_default(query: str) -> None:
    page = page_request(RequestFactory().get(f"/?{query}"))
    assert (page.limit, page.after) == (DEFAULT_LIMIT, None)


def test_an_empty_cursor_is_none_and_does_not_begin_at_the_top() -> None:
    with pytest.raises(ValidationError):
        page_request(RequestFactory().get("/?cursor="))


@pytest.mark.parametrize("limit", ["0", "-1", "101", "many", "1e3", "9" * 30])
def test_a_limit_out_of_bounds_is_refused_with_its_name(limit: str) -> None:
    with pytest.raises(ValidationError) as caught:
        page_request(RequestFactory().get("/", {"limit": limit}))
    details: Any = caught.value.detail
    assert "limit" in details

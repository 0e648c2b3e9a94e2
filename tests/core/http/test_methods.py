"""No route runs code for a method that it does not have."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from core.http.methods import methods_of
from tests.support.limits import new_address

pytestmark = pytest.mark.django_db
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# Values for the parameters of routes, by their converters.
_VALUES = {"IdConverter": "1", "UsernameConverter": "nobody", "StringConverter": "x"}


def leaves(node: URLPattern | URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(address, view) of every route, with values for its parameters."""
    address = prefix + str(node.pattern)
    if isinstance(node, URLResolver):
        for child in node.url_patterns:
            yield from leaves(child, address)
    else:
        for name, converter in node.pattern.converters.items():
            value = _VALUES.get(type(converter).__name__, "x")
            address = re.sub(rf"<(?:\w+:)?{name}>", value, address)
        yield f"/{address}", node.callback


ROUTES = [(address, view) for node in get_resolver().url_patterns for address, view in leaves(node)]


def test_the_walk_finds_the_routes() -> None:
    addresses = {address for address, _ in ROUTES}
    assert {"/", "/api/v1/posts/1/like", "/_allauth/app/v1/auth/login"} <= addresses
    unfilled = {address for address in addresses if "<" in address}
    assert {address[:7] for address in unfilled} == {"/admin/"}, (
        "its patterns are regular expressions"
    )
    assert len(ROUTES) > 100


@pytest.mark.parametrize(("address", "view"), ROUTES, ids=[address for address, _ in ROUTES])
def test_other_methods_get_405_with_those_that_are_allowed(address: str, view: Any) -> None:
    view_class = getattr(view, "cls", None) or getattr(view, "view_class", None)
    allowed = methods_of(view_class) if view_class else ("GET", "HEAD", "POST")
    for method in METHODS:
        client = Client(REMOTE_ADDR=new_address())
        answer = client.generic(method, address, b"{}", "application/json")
        if method in allowed:  # some pages of the admin have no POST
            assert answer.status_code != 405 or not view_class, method
        elif method == "OPTIONS":
            assert (answer.status_code, answer["Allow"]) == (204, ", ".join([*allowed, "OPTIONS"]))
        else:
            assert (answer.status_code, answer["Allow"]) == (405, ", ".join(allowed)), method

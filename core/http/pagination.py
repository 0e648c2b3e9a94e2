"""Pages of lists: `{"results": [...], "next": URL or null}` with an opaque, signed cursor.

The `Link` header (RFC 8288) has the same addresses. A cursor names the last row of a page, not a
number of rows, so rows that are added or deleted meanwhile cause no gap and no duplicate. It is
signed, so that an invented cursor is a 400 and not a wrong page.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.etags import refuse_sharing
from core.http.problems import Invalid

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
_SIGNATURE_BYTES = 8


def encode_cursor(last: int | str) -> str:
    """The cursor after a row: after its id, or its name in a list that is ordered by name."""
    payload = (b"i%d" % last) if isinstance(last, int) else b"s" + last.encode()
    return base64.urlsafe_b64encode(_signature(payload) + payload).rstrip(b"=").decode()


def decode_cursor(
    cursor: str, kind: type[int] | type[str] = int, *, parameter: str = "cursor"
) -> Any:
    """The id or name in a cursor of this service; else raises `Invalid` that names `parameter`."""
    wanted = b"i" if kind is int else b"s"
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not payload.startswith(wanted) or not hmac.compare_digest(signature, _signature(payload)):
        raise not_of_this_list(parameter)
    return kind(payload[1:].decode())


def ids_as_text(ids: Iterable[int]) -> str:
    """Ids for a cursor: in hexadecimal, the least one and then the step to each next one."""
    return " ".join(f"{id_ - last:x}" for last, id_ in pairwise([0, *sorted(ids)]))


def ids_in(text: str) -> list[int]:
    """The ids in a text that `ids_as_text` has made, ascending."""
    return list(accumulate(int(step, 16) for step in text.split()))


def not_of_this_list(parameter: str) -> Invalid:
    """The problem with a cursor that is invented, or belongs to another list."""
    return Invalid(
        "This cursor is not one of this list's. Use the addresses in a page as they are, or leave "
        f"`{parameter}` out to start from the top.",
        field=parameter,
        code="cursor",
    )


def _signature(payload: bytes) -> bytes:
    key = _signing_key(settings.SECRET_KEY)
    return hashlib.blake2b(payload, key=key, digest_size=_SIGNATURE_BYTES).digest()


@cache
def _signing_key(secret: str) -> bytes:
    return hashlib.sha256(b"cursor" + secret.encode()).digest()


class PageQuery(serializers.Serializer[Any]):
    """The query parameters of a list."""

    limit = serializers.IntegerField(
        min_value=1,
        max_value=MAX_LIMIT,
        default=DEFAULT_LIMIT,
        help_text=f"How many results, 1 to {MAX_LIMIT}.",
    )
    cursor = serializers.CharField(
        required=False, max_length=200, help_text="Where to go on: from a page's `next`."
    )


class LongCursorQuery(PageQuery):
    """The query parameters of a list whose cursor also says how the list is ordered."""

    cursor = serializers.CharField(
        required=False, max_length=2500, help_text="Where to go on: from a page's `next`."
    )


@dataclass(frozen=True)
class PageRequest:
    """What a client asks of a list: `limit` rows, after the row `after` (None: from the top).

    `parameters`: all query parameters that the list takes, checked, with their defaults.
    """

    limit: int
    after: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def page_request(
    request: HttpRequest | Request,
    kind: type[int] | type[str] = int,
    *,
    query_class: type[PageQuery] = PageQuery,
) -> PageRequest:
    """Check a list's query parameters by `query_class`; raises a 400 that names the wrong one."""
    # Given as plain texts. From a QueryDict a serializer takes an empty parameter for a missing
    # one, and a client with an empty cursor would read the first page for ever. Without a query
    # none is made, which takes as long as the rest of this function.
    given = request.GET.dict() if request.META.get("QUERY_STRING") else {}
    if given.get("limit") == "":
        del given["limit"]
    query = _checker(query_class).run_validation(given) if given else _defaults(query_class)
    cursor = query.get("cursor")
    after = None if cursor is None else decode_cursor(cursor, kind)
    return PageRequest(query["limit"], after, query)


@cache
def _checker(query_class: type[PageQuery]) -> PageQuery:
    """One serializer for all requests: it copies all of its fields when it is made."""
    return query_class()


@cache
def _defaults(query_class: type[PageQuery]) -> Mapping[str, Any]:
    """The parameters of a request that gives none."""
    return MappingProxyType(dict(_checker(query_class).run_validation({})))


class ListAddress:
    """The address of the list that a request asks for, with other query parameters."""

    def __init__(self, request: Request) -> None:
        plain = request._request
        self._list = f"{plain.scheme}://{plain.get_host()}{quote(plain.path)}"
        self._parameters = plain.GET.dict()

    def having(self, **changes: str | None) -> str:
        """The address with some parameters changed; None removes one."""
        parameters = self._parameters | changes
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return f"{self._list}?{query}"

    def after(self, last: int | str | None, **changes: str | None) -> str | None:
        """The address of the page after a row; None if there is no such row, at the end."""
        if last is None:
            return None
        return self.having(cursor=encode_cursor(last), **changes)


def page_response(request: Request, results: Sequence[Any], last: int | str | None) -> Response:
    """A page of a list. `last` is the id or name that the next page begins after; None: the end."""
    following = ListAddress(request).after(last)
    response = Response({"results": results, "next": following})
    add_links(response, next=following)
    refuse_sharing(response)
    return response


def add_links(response: Response, **addresses: str | None) -> None:
    """Put addresses into the `Link` header, each under its relation (`next`, `prev`)."""
    links = [f'<{url}>; rel="{relation}"' for relation, url in addresses.items() if url]
    if links:
        response["Link"] = ", ".join(links)

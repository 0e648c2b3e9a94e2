"""Answers that a client keeps: an ETag, and 304 while what it has is unchanged (RFC 9110, 13)."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import orjson
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.rendering import OrjsonRenderer

IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    location=OpenApiParameter.HEADER,
    description="The `ETag` of what the client has. While that is unchanged: 304.",
)
UNCHANGED = OpenApiResponse(description="What the client has is unchanged.")


def etag_of(parts: Iterable[bytes]) -> str:
    """A weak ETag: it names a content, not the bytes of an answer."""
    digest = hashlib.sha256(b"\0".join(parts)).digest()
    return f'W/"{base64.urlsafe_b64encode(digest[:12]).decode()}"'


def conditional_answer(request: Request, data: Any) -> HttpResponseBase:
    """The answer with its ETag; 304 if the client has it."""
    content = OrjsonRenderer().render(data)
    etag = etag_of([content])
    answer: HttpResponseBase | None = None
    if request.META.get("HTTP_IF_NONE_MATCH"):
        answer = get_conditional_response(request._request, etag=etag)
    return for_caller(answer or Response(orjson.Fragment(content)), etag=etag)


def for_caller(answer: HttpResponseBase, *, etag: str) -> HttpResponseBase:
    """The answer with an ETag. Only the caller may keep it, and must ask each time."""
    answer.headers["ETag"] = etag
    refuse_sharing(answer)
    return answer


def refuse_sharing(answer: HttpResponseBase) -> None:
    """Let no cache give the answer to another caller: it tells what its own caller has done."""
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["Vary"] = "Authorization"

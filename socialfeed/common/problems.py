"""Errors as RFC 9457 problem documents, whoever found them.

Services raise a `Problem`; serializers, DRF, Django and django-allauth raise or answer their own
errors, which `exception_handler` and `ProblemMiddleware` turn into the same shape:

    {"type": "/problems/validation", "title": "…", "status": 400, "detail": "what to change",
     "errors": [{"field": "caption", "code": "max_length", "message": "…"}]}
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from socialfeed.common.valkey import ValkeyUnavailable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
# Under these prefixes every error is a problem document; elsewhere (admin, pages) it is HTML.
API_PREFIXES = ("/api/", "/_allauth/", "/healthz/")


class Problem(Exception):
    """A request that cannot be done, and what its sender can change about that."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid"

    def __init__(self, detail: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail, self.field = detail, field
        self.code = code or self.code


class Invalid(Problem):
    """400: the input breaks a rule."""


class NotFound(Problem):
    """404: there is no such thing, or the caller may not see it."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class Conflict(Problem):
    """409: the input is right but the thing it is about has changed or is taken."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


class TooLarge(Problem):
    """413: the body or the picture is over a limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class UnsupportedMedia(Problem):
    """415: the content is not of a kind that is accepted."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class Unavailable(Problem):
    """503: something that the request needs does not answer now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"


def problem_document(
    status: int, detail: str, *, code: str = "", errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The document of one error; `code` names its type, by default from the status."""
    title = HTTPStatus(status).phrase
    slug = (code or title).lower().replace(" ", "-").replace("_", "-")
    document: dict[str, Any] = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    return document | ({"errors": errors} if errors else {})


def problem_response(status: int, detail: str, *, code: str = "") -> HttpResponse:
    """A problem document as a plain Django response, for errors outside DRF."""
    return HttpResponse(
        orjson.dumps(problem_document(status, detail, code=code)),
        status=status,
        content_type=CONTENT_TYPE,
    )


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: a problem document for what a client can mend; anything else stays a 500."""
    headers: dict[str, str] = {}
    if isinstance(exception, Problem):
        errors = (
            [{"field": exception.field, "code": exception.code, "message": exception.detail}]
            if exception.field
            else None
        )
        document = problem_document(
            exception.status, exception.detail, code=exception.code, errors=errors
        )
    elif isinstance(exception, exceptions.ValidationError):
        errors = list(_field_errors(exception.get_full_details()))
        detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
        document = problem_document(400, detail, code="validation", errors=errors)
    elif isinstance(exception, exceptions.APIException):
        document = problem_document(
            exception.status_code, str(exception.detail), code=str(exception.get_codes())
        )
        if challenge := getattr(exception, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        if wait := getattr(exception, "wait", None):
            headers["Retry-After"] = str(int(wait))
    elif isinstance(exception, Http404):
        document = problem_document(404, "There is nothing at this address.")
    elif isinstance(exception, PermissionDenied):
        document = problem_document(403, str(exception) or "You may not do this.")
    elif isinstance(exception, RequestDataTooBig):
        document = problem_document(413, "The request body is too large.")
    elif isinstance(exception, (OperationalError, *ValkeyUnavailable)):
        logger.exception("a store does not answer")
        document = problem_document(503, "A database does not answer. Try again in a while.")
    else:
        return None
    if document["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(document, status=document["status"], headers=headers, content_type=CONTENT_TYPE)


def _field_errors(details: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Flatten DRF's nested error details: media.1 for the second item of the list `media`."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        field = path.removesuffix(".non_field_errors") or "body"
        yield {"field": field, "code": str(details["code"]), "message": str(details["message"])}
    elif isinstance(details, dict):
        for key, value in details.items():
            yield from _field_errors(value, f"{path}.{key}" if path else str(key))
    elif isinstance(details, list):
        for index, value in enumerate(details):
            leaf = isinstance(value, dict) and set(value) == {"message", "code"}
            yield from _field_errors(value, path if leaf else f"{path}.{index}")


class ProblemMiddleware:
    """Errors from outside DRF on the API's paths: unknown URLs, django-allauth, Django, crashes.

    django-allauth's own members (`errors`, `data`, `meta`) stay in the document, as its clients
    expect them; RFC 9457 allows such extension members.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_api = request.path.startswith(API_PREFIXES)
        if not is_api or response.status_code < 400 or _is_problem(response):
            return response
        if response.get("Content-Type", "").startswith("application/json"):
            return _with_problem_members(response)
        return problem_response(response.status_code, _plain_detail(response.status_code))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What a view outside DRF raised, seen while the reason is still known."""
        if not request.path.startswith(API_PREFIXES):
            return None
        if isinstance(exception, Problem):
            return problem_response(exception.status, exception.detail, code=exception.code)
        if isinstance(exception, RequestDataTooBig):
            return problem_response(413, "The request body is too large.")
        if isinstance(exception, SuspiciousOperation):
            return problem_response(400, str(exception) or "The request is malformed.")
        return None


def _is_problem(response: HttpResponse) -> bool:
    return response.get("Content-Type", "").startswith(CONTENT_TYPE)


def _with_problem_members(response: HttpResponse) -> HttpResponse:
    body = orjson.loads(response.content)
    messages = [str(error.get("message", "")) for error in body.get("errors", [])]
    detail = " ".join(messages) or _plain_detail(response.status_code)
    response.content = orjson.dumps(problem_document(response.status_code, detail) | body)
    response["Content-Type"] = CONTENT_TYPE
    return response


def _plain_detail(status: int) -> str:
    known = {
        400: "The request is malformed.",
        401: "Log in first: the answer's `data.flows` says how, if it has any.",
        403: "You may not do this.",
        404: "There is nothing at this address.",
        405: "This address does not take this method.",
        500: "Something broke on our side. It has been logged; trying again may help.",
    }
    return known.get(status, HTTPStatus(status).phrase)

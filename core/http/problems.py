"""Errors as RFC 9457 problem documents.

Services raise a `Problem`. Serializers, DRF, Django and django-allauth raise or answer errors of
their own; `problem_response` and `ProblemMiddleware` turn these into the same form:

    {"type": "/problems/validation", "title": "…", "status": 400, "detail": "what to change",
     "errors": [{"field": "caption", "code": "max_length", "message": "…"}]}

A 5xx also has `"request_id": "…"`, by which one finds its log lines. Under other addresses than
those of the API, such as the admin's, people read the same on a page.
"""

import logging
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any

import orjson
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from redis.exceptions import OutOfMemoryError, ResponseError
from rest_framework import exceptions

from core.context import request_id
from core.valkey import ValkeyUnavailable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
# The `WWW-Authenticate` header of every 401.
CHALLENGE = 'Bearer realm="socialfeed"'
# `Retry-After` in seconds, unless the exception has its own: when a store is down, and over one of
# django-allauth's limits (most are of a minute).
RETRY_AFTER = {HTTPStatus.SERVICE_UNAVAILABLE: 5, HTTPStatus.TOO_MANY_REQUESTS: 60}
# A document names at most so many errors.
MAX_FIELD_ERRORS = 20
# Under these prefixes every error is a problem document; elsewhere (admin, pages) it is HTML.
API_PREFIXES = ("/api/", "/_allauth/", "/healthz/")


class Problem(Exception):
    """An error that the client can do something about. `detail` says what."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid"

    def __init__(self, detail: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail, self.field = detail, field
        self.code = code or self.code


class Invalid(Problem):
    """400: the input breaks a rule."""


class Forbidden(Problem):
    """403: the caller is known, and may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class NotFound(Problem):
    """404: it does not exist, or the caller may not see it."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class Conflict(Problem):
    """409: the input is valid, but does not fit what is there now: it has changed, or is taken."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


class TooLarge(Problem):
    """413: the body or the picture is too large."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class UnsupportedMedia(Problem):
    """415: content of this type is not accepted."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class TooManyRequests(Problem):
    """429: over a rate limit; try again after `wait` seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"

    def __init__(self, detail: str, *, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait


class Unavailable(Problem):
    """503: something that the request needs is down."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"


class Overloaded(Problem):
    """503: all is up, but there is too much to do; try again after `wait` seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "overloaded"

    def __init__(self, detail: str, *, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait


# Of statuses that Python names otherwise from version to version.
_CODES: dict[int, str] = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge.code}


def problem_document(
    status: int, detail: str, *, code: str = "", errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The document of an error. `code` becomes its type; without one, the status does.

    Each type has a page, which the project makes (socialfeed/problem_types.py).
    """
    title = HTTPStatus(status).phrase
    slug = (code or _CODES.get(status, title)).lower().replace(" ", "-").replace("_", "-")
    document: dict[str, Any] = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": int(status),
        "detail": detail,
    }
    if errors:
        document["errors"] = errors
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and (id_ := request_id.get()):
        document["request_id"] = id_
    return document


# Exceptions of Django, databases and Valkey, with their status and detail ("": the exception's own
# text). The first that fits counts.
_KNOWN: list[tuple[type[Exception] | tuple[type[Exception], ...], int, str]] = [
    (Http404, 404, "There is nothing at this address."),
    (PermissionDenied, 403, ""),
    (RequestDataTooBig, 413, "The request body is too large."),
    (SuspiciousOperation, 400, ""),
    (RecursionError, 400, "The request body is nested too deeply."),
    # A session that ended while one of its requests was at work.
    (UpdateError, 401, "This session has ended. Log in again."),
    (
        (OperationalError, InterfaceError, OutOfMemoryError, *ValkeyUnavailable),
        503,
        "A database does not answer. Try again in a while.",
    ),
]


# Valkey refuses to write: it cannot write to its disk, or has no replica.
_REFUSALS = ("MISCONF ", "NOREPLICAS ")


def _known(exception: Exception) -> tuple[int, str] | None:
    """The status and detail of an exception of Django, a database or Valkey; None if unknown."""
    if isinstance(exception, ResponseError) and str(exception).startswith(_REFUSALS):
        return 503, "A store takes no writes at the moment. Try again in a while."
    for types, status, detail in _KNOWN:
        if isinstance(exception, types):
            return status, detail or str(exception) or _plain_detail(status)
    return None


def _unusable_value(exception: ValueError) -> str | None:
    """What is wrong with a value in the request that Python refuses; None if it is a bug."""
    if isinstance(exception, UnicodeEncodeError) and exception.reason == "surrogates not allowed":
        return "A text in the request has a lone surrogate (\\ud800)."
    # Of more than 4,300 digits (`sys.set_int_max_str_digits`).
    if str(exception).startswith("Exceeds the limit ("):
        return "A number in the request has too many digits."
    return None


def document_of(exception: Exception) -> dict[str, Any] | None:
    """The problem document of an exception; None if it is a bug, which becomes a 500."""
    if isinstance(exception, Problem):
        error = {"code": exception.code, "message": exception.detail}
        errors = [{"field": exception.field} | error] if exception.field else None
        return problem_document(
            exception.status, exception.detail, code=exception.code, errors=errors
        )
    if isinstance(exception, exceptions.ValidationError):
        errors = list(islice(_field_errors(exception.get_full_details()), MAX_FIELD_ERRORS))
        detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
        return problem_document(400, detail, code="validation", errors=errors)
    if isinstance(exception, exceptions.APIException):
        return problem_document(
            exception.status_code, str(exception.detail), code=str(exception.get_codes())
        )
    if isinstance(exception, ValueError) and (unusable := _unusable_value(exception)):
        return problem_document(400, unusable)
    known = _known(exception)
    return None if known is None else problem_document(*known)


def problem_response(exception: Exception, context: Any = None) -> HttpResponse | None:
    """The problem document of an exception, or None for a bug. DRF calls it with a `context`."""
    document = document_of(exception)
    if document is None:
        return None
    status = document["status"]
    if status == HTTPStatus.SERVICE_UNAVAILABLE and not isinstance(exception, Overloaded):
        logger.error("A store does not answer", exc_info=exception)
    headers = {"Content-Type": CONTENT_TYPE} | _headers(status, exception)
    return HttpResponse(orjson.dumps(document), status=status, headers=headers)


def _headers(status: int, exception: Exception | None = None) -> dict[str, str]:
    """The headers that an error of this status must have. `exception.wait`: seconds to wait."""
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": CHALLENGE}
    if seconds := getattr(exception, "wait", None) or RETRY_AFTER.get(HTTPStatus(status)):
        return {"Retry-After": str(int(seconds))}
    return {}


def _field_errors(details: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Flatten DRF's nested error details: `media.1` is the second item of the list `media`."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        field = path.removesuffix("non_field_errors").rstrip(".") or "body"
        yield {"field": field, "code": str(details["code"]), "message": str(details["message"])}
    elif isinstance(details, dict):
        for key, value in details.items():
            yield from _field_errors(value, f"{path}.{key}" if path else str(key))
    elif isinstance(details, list):
        for index, value in enumerate(details):
            leaf = isinstance(value, dict) and set(value) == {"message", "code"}
            yield from _field_errors(value, path if leaf else f"{path}.{index}")


class ProblemMiddleware:
    """Turns errors from outside of DRF into problem documents under API_PREFIXES, pages elsewhere.

    These are unknown URLs, errors of django-allauth and Django, and crashes. django-allauth's own
    members (`errors`, `data`, `meta`) stay in the document for its clients; RFC 9457 allows that.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        status = response.status_code
        if status < 400:
            return response
        content_type = response.get("Content-Type", "")
        is_problem = content_type.startswith(CONTENT_TYPE)
        if not request.path.startswith(API_PREFIXES):
            return _as_page(response) if is_problem else response
        if is_problem:
            return response
        if content_type.startswith("application/json"):
            document = _with_problem_members(status, orjson.loads(response.content))
        else:
            document = problem_document(status, _plain_detail(status))
        _replace(response, orjson.dumps(document), CONTENT_TYPE)
        for name, value in _headers(status).items():
            response.setdefault(name, value)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer to an exception of a view outside of DRF, while the exception is known.

        Elsewhere than under API_PREFIXES, only a `Problem`, such as a 429, is answered here.
        """
        if isinstance(exception, Problem) or request.path.startswith(API_PREFIXES):
            return problem_response(exception)
        return None


def _as_page(response: HttpResponse) -> HttpResponse:
    """A problem document as a page for people, from the project's `problem.html`."""
    page = render_to_string("problem.html", orjson.loads(response.content))
    _replace(response, page.encode(), "text/html; charset=utf-8")
    return response


def _replace(response: HttpResponse, content: bytes, content_type: str) -> None:
    """Give an answer another body. Its other headers (`Allow`, `Retry-After`, cookies) stay."""
    response.content = content
    response["Content-Type"] = content_type
    if response.has_header("Content-Length"):
        response["Content-Length"] = str(len(content))


def _with_problem_members(status: int, body: dict[str, Any]) -> dict[str, Any]:
    """The document of an error that django-allauth answered as JSON."""
    errors = [error | {"field": error.get("param", "body")} for error in body.get("errors", [])]
    detail = " ".join(
        f"{error['param']}: {error['message']}" if "param" in error else error["message"]
        for error in errors
    )
    if not detail:
        detail = _EMPTY_ALLAUTH_DETAILS.get(status) or _plain_detail(status)
    return body | problem_document(status, detail, errors=errors)


# The details of errors that django-allauth does not explain.
_EMPTY_ALLAUTH_DETAILS = {
    400: "A token or key in the request is not valid, or not any more. Log in again.",
    401: "Log in first: `data.flows` says how.",
    409: "This cannot be done now: you are logged in already, or the step before it is missing.",
    410: "This session has ended. Log in again.",
}


def _plain_detail(status: int) -> str:
    known = {
        400: "The request is malformed. A body must be a JSON object in UTF-8.",
        401: "Log in first.",
        403: "You may not do this.",
        404: "There is nothing at this address.",
        405: "This address does not take this method.",
        429: "Too many requests. Try again in a while.",
        500: "Something broke on our side. It has been logged; trying again may help.",
    }
    return known.get(status, HTTPStatus(status).phrase)

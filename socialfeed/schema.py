"""Hooks that add django-allauth's endpoints and rate limits to the OpenAPI schema."""

from collections.abc import Iterator
from typing import Any, cast

from allauth.headless.spec.internal.schema import get_schema
from django.urls import Resolver404, include, path, resolve, set_urlconf

from core.http.problems import CONTENT_TYPE

ACCOUNT_PREFIX = "/_allauth/app/v1/"
TAG = "accounts"
# Headers of answers to counted requests; `Retry-After` only of refusals.
_HEADERS = {
    "RateLimit-Limit": (
        "How many requests the limit that is nearest to its end allows.",
        "integer",
    ),
    "RateLimit-Remaining": ("How many are left of it.", "integer"),
    "RateLimit-Reset": ("Seconds until there are more.", "integer"),
    "RateLimit-Policy": (
        "All limits that the request counts for: `1200;w=60` is 1200 a minute.",
        "string",
    ),
    "Retry-After": ("Seconds until it may be tried again.", "integer"),
}
_TOO_MANY_REQUESTS = {
    "description": "Over a rate limit; nothing has been done.",
    "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS},
    "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
}


def add_account_endpoints(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: merge django-allauth's schema; ValueError if components clash."""
    # allauth looks its own addresses up, of which we serve a part (users/accounts/urls.py).
    set_urlconf(cast("str", _AllauthUrls))  # a module's name, or anything with `urlpatterns`
    try:
        accounts = get_schema()
    finally:
        set_urlconf(None)
    for address, item in accounts["paths"].items():
        if address.startswith(ACCOUNT_PREFIX) and _is_served(address):
            name = address.removeprefix(ACCOUNT_PREFIX)
            result["paths"][address] = dict(_operations(name, item))
    for kind, components in accounts["components"].items():
        ours = result["components"].setdefault(kind, {})
        if clash := ours.keys() & components.keys():
            raise ValueError(f"two {kind} of the same name: {', '.join(sorted(clash))}")
        ours |= components
    return result


class _AllauthUrls:
    urlpatterns = (path("_allauth/", include("allauth.headless.urls")),)


def _is_served(address: str) -> bool:
    try:
        resolve(address)
    except Resolver404:
        return False
    return True


def add_rate_limits(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: add 429 and its headers to every operation."""
    result["components"]["headers"] = {
        name: {"description": description, "schema": {"type": kind}}
        for name, (description, kind) in _HEADERS.items()
    }
    for item in result["paths"].values():
        for operation in item.values():
            operation["responses"]["429"] = _TOO_MANY_REQUESTS
    return result


def _operations(path: str, item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of a path, each with an id, as drf-spectacular wants it."""
    shared = item.pop("parameters", [])
    for method, operation in item.items():
        name = path.replace("/", "_").replace("-", "_")
        parameters = [*shared, *operation.get("parameters", [])]
        extra = {"operationId": f"{TAG}_{name}_{method}", "tags": [TAG], "parameters": parameters}
        yield method, operation | extra

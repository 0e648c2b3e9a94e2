"""One OpenAPI schema for all endpoints: ours, and django-allauth's sign-up, log-in and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from allauth.headless.spec.internal.schema import get_schema

ACCOUNT_PREFIX = "/_allauth/app/v1/"
TAG = "accounts"
# Mounted by django-allauth, but without a use here: no phone numbers, no log-in by code.
UNUSED = ("/phone", "/auth/code/")


def add_account_endpoints(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: merge the schema that django-allauth ships for its own endpoints.

    Raises ValueError if both should ever give two things the same name.
    """
    accounts = get_schema()
    for path, item in accounts["paths"].items():
        if path.startswith(ACCOUNT_PREFIX) and not any(unused in path for unused in UNUSED):
            result["paths"][path] = dict(_operations(path.removeprefix(ACCOUNT_PREFIX), item))
    for kind, components in accounts["components"].items():
        ours = result["components"].setdefault(kind, {})
        if clash := ours.keys() & components.keys():
            raise ValueError(f"two {kind} of the same name: {', '.join(sorted(clash))}")
        ours |= components
    return result


def _operations(path: str, item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of a path, each with an id, as drf-spectacular wants it."""
    shared = item.pop("parameters", [])
    for method, operation in item.items():
        name = path.replace("/", "_").replace("-", "_")
        parameters = [*shared, *operation.get("parameters", [])]
        extra = {"operationId": f"{TAG}_{name}_{method}", "tags": [TAG], "parameters": parameters}
        yield method, operation | extra

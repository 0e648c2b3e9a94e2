"""A hook that adds the headers of answers to the OpenAPI schema, and the token that reads take."""

from collections.abc import Iterator
from typing import Any

from core.http import idempotency
from core.http.requests import HEADER as REQUEST_ID
from core.sql.lsns import TOKEN_HEADER
from socialfeed.schema import ACCOUNT_PREFIX

_DESCRIPTIONS = {
    REQUEST_ID: "Names the request: its log lines have this id.",
    TOKEN_HEADER: (
        "What the request has written. Reads that send it see that. A client needs it only to "
        "read as another user what it has written: one's own writes are seen without it."
    ),
    "ETag": "Names the content. Send it as `If-None-Match` to get it only when it changes.",
    "Link": "The addresses of the page's `next` and, of a timeline, its `newer` as `prev`.",
    "Location": "The address of what was made.",
    idempotency.REPLAYED: "`true`: the answer of the first request with this key.",
}
_TOKEN_PARAMETER = {
    "in": "header",
    "name": TOKEN_HEADER,
    "schema": {"type": "string"},
    "description": f"From an answer's `{TOKEN_HEADER}`: the answer has what was written by then.",
}
_READ, _PAGE_MEMBER = "get", "next"


def add_headers(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: add headers to every answer, and a parameter to reads of the API."""
    components = result["components"]
    components["headers"] |= {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in _DESCRIPTIONS.items()
    }
    components["parameters"]["ConsistencyToken"] = _TOKEN_PARAMETER
    for path, item in result["paths"].items():
        for method, operation in item.items():
            if method == _READ and not path.startswith(ACCOUNT_PREFIX):
                reference = {"$ref": "#/components/parameters/ConsistencyToken"}
                operation.setdefault("parameters", []).append(reference)
            for status, response in operation["responses"].items():
                names = _names(method, operation, status, components["schemas"])
                described = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
                # A new dictionary: some answers are shared by operations.
                headers = response.get("headers", {}) | described
                operation["responses"][status] = response | {"headers": headers}
    return result


def _names(method: str, operation: Any, status: str, schemas: Any) -> Iterator[str]:
    """The headers that an answer may have."""
    yield REQUEST_ID
    responses = operation["responses"]
    if "304" in responses and status in ("200", "304"):
        yield "ETag"
    if not status.startswith("2"):
        return
    if method != _READ:
        yield TOKEN_HEADER
    if status == "201" or (status == "202" and "content" in responses[status]):
        yield "Location"
    if any(one.get("name") == idempotency.HEADER for one in operation.get("parameters", [])):
        yield idempotency.REPLAYED
    content = responses[status].get("content", {}).get("application/json", {})
    component = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if _PAGE_MEMBER in schemas.get(component, {}).get("properties", {}):
        yield "Link"

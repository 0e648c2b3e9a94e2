"""A hook that makes django-allauth's part of the OpenAPI schema say what this service answers.

allauth describes its own answers, and features that are not used here. This service answers errors
as problem documents (`core.http.problems`), writes ids as strings, and takes a bearer token.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from core.http.problems import CONTENT_TYPE
from socialfeed.account_components import (
    DEVICE_HEADER,
    REFRESH_COOKIE_HEADER,
    correct_components,
)
from socialfeed.schema import ACCOUNT_PREFIX

Schema = dict[str, Any]
# Success that allauth does not describe, or in part, by path and method.
_SUCCESS = {
    ("account/password/change", "post"): "Authenticated",
    ("account/authenticators/recovery-codes", "post"): "RecoveryCodes",
    ("auth/session", "delete"): "StatusOK",
}
# Errors with members of their own, by path and status.
_ERRORS = {("account/authenticators/totp", "404"): "AuthenticatorOffer"}
# What answers with tokens whenever it succeeds.
_LOGS_IN = {"auth/login", "auth/signup", "auth/2fa/authenticate"}
SESSION_HEADER = "X-Session-Token"
_SESSION_PARAMETER = {"$ref": "#/components/parameters/SessionToken"}
# A log-in is shown by either.
_LOGGED_IN: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
_DEVICE_PARAMETER = {
    "name": DEVICE_HEADER,
    "in": "header",
    "schema": {"type": "string"},
    "description": "The `device_token` of a former log-in to the account. With it, nobody else's "
    "wrong passwords or codes keep this log-in out. Clients that keep cookies need no header.",
}
# Where a password or a code of somebody who is not logged in is taken.
_TAKES_DEVICE = {"auth/login", "auth/2fa/authenticate"}
_COOKIE_PARAMETER = {
    "name": REFRESH_COOKIE_HEADER,
    "in": "header",
    "schema": {"type": "string", "enum": ["1"]},
    "description": "For scripts of this origin: keep the refresh token in a cookie that no script "
    "reads. The answer has no `refresh_token`, `session_token` or `device_token` then; "
    "`tokens/refresh` takes the token of the cookie, and a log-out clears it.",
}
# What sets, takes or clears that cookie.
_USES_COOKIE = {
    *(("auth/login", "post"), ("auth/signup", "post"), ("auth/2fa/authenticate", "post")),
    *(("account/password/change", "post"), ("tokens/refresh", "post"), ("auth/session", "delete")),
}
# Operations on an account, to log in once more, and on the session itself.
_NEED_LOG_IN = ("account/", "auth/reauthenticate", "auth/2fa/reauthenticate", "auth/session")


def describe_account_answers(result: Schema, **kwargs: Any) -> Schema:
    """drf-spectacular's hook: correct the endpoints that `add_account_endpoints` has added."""
    components = result["components"]
    components["securitySchemes"]["session"] = {
        "type": "apiKey",
        "in": "header",
        "name": SESSION_HEADER,
        "description": "The session of a log-in, which may be not complete yet.",
    }
    correct_components(components)
    for path, method, operation in _account_operations(result):
        needs_log_in = path.startswith(_NEED_LOG_IN)
        operation["security"] = _LOGGED_IN if needs_log_in else []
        if needs_log_in:
            operation["parameters"].remove(_SESSION_PARAMETER)
        if path in _TAKES_DEVICE and method == "post":
            operation["parameters"].append(_DEVICE_PARAMETER)
        if (path, method) in _USES_COOKIE:
            operation["parameters"].append(_COOKIE_PARAMETER)
        operation["responses"] = _responses(path, method, operation["responses"], components)
        if needs_log_in:
            for status, description in _REFUSALS.items():
                operation["responses"][status] = _problem(description, "LogInProblem")
    _drop_unused(result)
    return result


# Of operations that need a log-in.
_REFUSALS = {
    "401": "There is no log-in; or it is too long ago for this, and has to be repeated.",
    "410": "The session has ended.",
}


def _account_operations(result: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, item in result["paths"].items():
        if path.startswith(ACCOUNT_PREFIX):
            for method, operation in item.items():
                yield path.removeprefix(ACCOUNT_PREFIX), method, operation


def _responses(path: str, method: str, described: Schema, components: Schema) -> Schema:
    """The answers of an operation. None refers to another: each gets headers of its own."""
    responses = {
        status: deepcopy(_resolved(response, components)) for status, response in described.items()
    }
    if success := _SUCCESS.get((path, method)):
        responses["200"] = deepcopy(components["responses"][success])
    if path in _LOGS_IN:
        schema = {"$ref": "#/components/schemas/LogInResponse"}
        responses["200"]["content"]["application/json"]["schema"] = schema
    for status in [status for status in responses if status >= "400"]:
        component = _ERRORS.get((path, status), "ProblemDocument")
        if status in _REFUSALS:
            component = "LogInProblem"
        responses[status] = _problem(responses[status]["description"], component)
    return responses | {"default": _problem("An error, as a problem document.")}


def _problem(description: str, component: str = "ProblemDocument") -> Schema:
    schema = {"$ref": f"#/components/schemas/{component}"}
    return {"description": description.strip(), "content": {CONTENT_TYPE: {"schema": schema}}}


def _drop_unused(result: Schema) -> None:
    """Remove the components that nothing refers to, such as those of features that are off."""
    components = result["components"]
    used: set[str] = set()
    new = set(_references(result["paths"]))
    while new:
        used |= new
        new = {
            reference
            for pointer in new
            for reference in _references(_resolved({"$ref": pointer}, components))
        } - used
    for kind, members in components.items():
        if kind not in ("securitySchemes", "headers"):
            components[kind] = {
                name: member
                for name, member in members.items()
                if f"#/components/{kind}/{name}" in used
            }


def _references(node: Any) -> Iterator[str]:
    """All that a part of the schema refers to."""
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        node = node.values()
    elif not isinstance(node, list):
        return
    for child in node:
        yield from _references(child)


def _resolved(node: Schema, components: Schema) -> Schema:
    """What a reference refers to; anything else as it is."""
    if "$ref" not in node:
        return node
    _, _, kind, name = node["$ref"].split("/")
    found: Schema = components[kind][name]
    return found

"""A hook that makes django-allauth's part of the OpenAPI schema say what this service answers.

allauth describes its own answers, and features that are not used here. This service answers errors
as problem documents (`core.http.problems`), writes ids as strings, and takes a bearer token.
"""

from collections.abc import Iterator
from typing import Any

from core.http.problems import CONTENT_TYPE
from socialfeed.schema import ACCOUNT_PREFIX

Schema = dict[str, Any]
_PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}
_DEFAULT = {
    "description": "An error, as a problem document.",
    "content": {CONTENT_TYPE: {"schema": _PROBLEM}},
}
# Success that allauth does not describe, by path and method.
_SUCCESS = {
    ("account/password/change", "post"): "Authenticated",
    ("account/authenticators/recovery-codes", "post"): "RecoveryCodes",
}
SESSION_HEADER = "X-Session-Token"
_SESSION_PARAMETER = {"$ref": "#/components/parameters/SessionToken"}
# A log-in is shown by either. Their operations are those on an account, and to log in once more.
_LOGGED_IN: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
DEVICE_HEADER = "X-Device-Token"
_DEVICE_PARAMETER = {
    "name": DEVICE_HEADER,
    "in": "header",
    "schema": {"type": "string"},
    "description": "The `device_token` of a former log-in to the account. With it, nobody else's "
    "wrong passwords or codes keep this log-in out. Clients that keep cookies need no header.",
}
# Where a password or a code of somebody who is not logged in is taken.
_TAKES_DEVICE = {"auth/login", "auth/2fa/authenticate"}
_NEED_LOG_IN = ("account/", "auth/reauthenticate", "auth/2fa/reauthenticate")


def describe_account_answers(result: Schema, **kwargs: Any) -> Schema:
    """drf-spectacular's hook: correct the endpoints that `add_account_endpoints` has added."""
    components = result["components"]
    components["securitySchemes"]["session"] = {
        "type": "apiKey",
        "in": "header",
        "name": SESSION_HEADER,
        "description": "The session of a log-in, which may be not complete yet.",
    }
    for path, method, operation in _account_operations(result):
        responses = operation["responses"]
        if success := _SUCCESS.get((path, method)):
            responses["200"] = {"$ref": f"#/components/responses/{success}"}
        for status in list(responses):
            if status >= "400":
                responses[status] = _as_problem(_resolved(responses[status], components))
        responses["default"] = _DEFAULT
        if path.startswith(_NEED_LOG_IN):
            operation["security"] = _LOGGED_IN
            operation["parameters"].remove(_SESSION_PARAMETER)
        if path in _TAKES_DEVICE and method == "post":
            operation["parameters"].append(_DEVICE_PARAMETER)
    _correct_types(components["schemas"])
    _drop_unused(result)
    return result


def _account_operations(result: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, item in result["paths"].items():
        if path.startswith(ACCOUNT_PREFIX):
            for method, operation in item.items():
                yield path.removeprefix(ACCOUNT_PREFIX), method, operation


def _as_problem(response: Schema) -> Schema:
    """An error with allauth's members, in a problem document."""
    own = dict(response["content"]["application/json"]["schema"])
    if "oneOf" in own:  # what asks to log in once more also fits what asks to log in
        own["anyOf"] = own.pop("oneOf")
    return {
        "description": response["description"],
        "content": {CONTENT_TYPE: {"schema": {"allOf": [_PROBLEM, own]}}},
    }


def _correct_types(schemas: Schema) -> None:
    schemas["User"]["properties"]["id"] |= {"type": "string", "example": "765432109876543210"}
    meta = schemas["AuthenticationMeta"]["allOf"][1]["properties"]
    # Null: nobody is known, as the session does not exist.
    meta["is_authenticated"]["nullable"] = True
    meta["device_token"] = {
        "type": "string",
        "description": f"After a log-in. Keep it, and send it as `{DEVICE_HEADER}` with the next "
        "one. It lives for a year, until a new password, and opens nothing by itself.",
    }
    schemas["Email"]["format"] = "email"
    username = schemas["PatchedProfileChangesRequest"]["properties"]["username"]
    schemas["Username"] |= {name: username[name] for name in ("pattern", "maxLength")}
    # A password that is sent once more fits the first kind and that of its own.
    methods = schemas["AuthenticationMethod"]
    methods["anyOf"] = methods.pop("oneOf")
    # There are no phone numbers here.
    login = schemas["Login"]["allOf"][1]
    login["anyOf"] = [way for way in login["anyOf"] if "phone" not in way["properties"]]


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

"""The components of django-allauth's part of the OpenAPI schema, where allauth's own do not fit.

allauth describes features that are not used here, and forms of which generators make no usable
types.
"""

from typing import Any

from core.http.fields import ID_PATTERN

Schema = dict[str, Any]
DEVICE_HEADER = "X-Device-Token"
REFRESH_COOKIE_HEADER = "X-Refresh-Cookie"
_ID = {"type": "string", "pattern": ID_PATTERN, "example": "765432109876543210"}
_META = {
    "session_token": {
        "type": "string",
        "description": "Of a log-in, which may be not complete yet: send it as `X-Session-Token`.",
    },
    "access_token": {
        "type": "string",
        "description": "After a log-in: send it as `Authorization: Bearer`.",
    },
    "refresh_token": {
        "type": "string",
        "description": "After a log-in: gives new tokens, once, at `tokens/refresh`. With "
        f"`{REFRESH_COOKIE_HEADER}` it is in a cookie instead.",
    },
    "device_token": {
        "type": "string",
        "description": f"After a log-in. Keep it, and send it as `{DEVICE_HEADER}` with the next "
        "one. It lives for a year, until a new password, and opens nothing by itself.",
    },
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *, required: str, description: str = "") -> Schema:
    """An object. `required`: names of properties, separated by spaces."""
    described = {"description": description} if description else {}
    return {"type": "object", **described, "properties": properties, "required": required.split()}


_METHODS = {"type": "array", "items": _ref("AuthenticationMethod")}
# Instead of allauth's components of the same name, or beside them.
_OURS: Schema = {
    "Login": _object(
        {
            "username": _ref("Username"),
            "email": _ref("Email"),
            "password": _ref("Password"),
        },
        required="password",
        description="Give either `username` or `email`.",
    ),
    "AuthenticationMeta": _object(
        {
            "is_authenticated": {
                "type": "boolean",
                "nullable": True,
                "description": "Null: nobody is known, as the session does not exist.",
            },
            **_META,
        },
        required="is_authenticated",
    ),
    "LogInMeta": _object(
        {"is_authenticated": {"type": "boolean"}, **_META},
        required="is_authenticated access_token",
    ),
    "LogInResponse": _object(
        {"status": _ref("StatusOK"), "data": _ref("Authenticated"), "meta": _ref("LogInMeta")},
        required="status data meta",
        description="Logged in.",
    ),
    "AuthenticationMethod": _object(
        {
            "method": {"type": "string", "enum": ["password", "password_reset", "mfa"]},
            "at": _ref("Timestamp"),
            "username": _ref("Username"),
            "email": _ref("Email"),
            "id": _ID | {"description": "Of the authenticator (`mfa`).", "example": "66"},
            "type": _ref("AuthenticatorType"),
            "reauthenticated": {"type": "boolean"},
        },
        required="method at",
        description="How somebody has logged in, or has proved once more who they are.",
    ),
    # An answer of 401 and 410; also of those to who has to log in once more.
    "LogInProblem": {
        "description": "The caller has to log in: `data.flows` says how.",
        "allOf": [
            _ref("ProblemDocument"),
            {
                "type": "object",
                "properties": {
                    "data": _object(
                        {
                            "flows": {"type": "array", "items": _ref("Flow")},
                            "user": _ref("User"),
                            "methods": _METHODS,
                        },
                        required="flows",
                    ),
                    "meta": _ref("AuthenticationMeta"),
                },
            },
        ],
    },
    "AuthenticatorOffer": {
        "description": "There is no authenticator app yet: what one begins with.",
        "allOf": [
            _ref("ProblemDocument"),
            _object(
                {
                    "meta": _object(
                        {
                            "secret": {
                                "type": "string",
                                "description": "Of the new app, until a code of it is sent or "
                                "another secret is asked for.",
                                "example": "J4ZKKXTK7NOVU7EPUVY23LCDV4T2QZYM",
                            },
                            "totp_url": {
                                "type": "string",
                                "description": "The same for a QR code: an `otpauth:` address.",
                                "example": "otpauth://totp/socialfeed:ada?secret=J4ZKKXTK7NOVU7EP",
                            },
                        },
                        required="secret totp_url",
                    )
                },
                required="meta",
            ),
        ],
    },
    "Flow": _object(
        {
            "id": {
                "type": "string",
                "enum": [
                    *("login", "signup", "verify_email", "reauthenticate"),
                    *("mfa_authenticate", "mfa_reauthenticate"),
                ],
            },
            "is_pending": {"type": "boolean"},
            "types": {"type": "array", "items": _ref("AuthenticatorType")},
        },
        required="id",
        description="A step by which one logs in.",
    ),
    "ConfigurationResponse": _object(
        {
            "status": _ref("StatusOK"),
            "data": _object(
                {"account": _ref("AccountConfiguration"), "mfa": _ref("MFAConfiguration")},
                required="account mfa",
            ),
        },
        required="status data",
    ),
    "OptionalTimestamp": {"type": "number", "nullable": True},
    "AuthenticatorType": {"type": "string", "enum": ["recovery_codes", "totp"]},
    "AuthenticatorList": {
        "type": "array",
        "items": {"oneOf": [_ref("TOTPAuthenticator"), _ref("RecoveryCodesAuthenticator")]},
    },
}


def correct_components(components: Schema) -> None:
    """Replace allauth's components that do not fit, and name the bodies that have no name."""
    schemas = components["schemas"]
    schemas |= _OURS
    user = schemas["User"]
    user["properties"]["id"] = _ID
    user["required"] = sorted({*user["required"], "id"})
    schemas["Email"]["format"] = "email"
    username = schemas["PatchedProfileChangesRequest"]["properties"]["username"]
    schemas["Username"] |= {name: username[name] for name in ("pattern", "maxLength")}
    configuration = schemas["AccountConfiguration"]
    configuration["properties"]["authentication_method"] = {"type": "string"}
    _name_bodies(components["requestBodies"], schemas, suffix="Request")
    _name_bodies(components["responses"], schemas, suffix="Answer")
    for body in components["requestBodies"].values():
        body["required"] = True
    del schemas["RefreshTokenRequest"]["required"]  # it may be in the cookie
    components["parameters"]["SessionToken"]["description"] = (
        "The session of a log-in that is not complete yet."
    )
    for example in components["examples"].values():
        _correct_example(example["value"])


def _name_bodies(bodies: Schema, schemas: Schema, *, suffix: str) -> None:
    """Make the schemas inside of bodies components: generators name types by them."""
    for name, body in bodies.items():
        for content in body.get("content", {}).values():
            if "$ref" not in content["schema"]:
                schemas[name + suffix] = content["schema"]
                content["schema"] = _ref(name + suffix)


def _correct_example(node: Any) -> None:
    """Write ids as texts, and add the tokens that allauth's example lacks."""
    if isinstance(node, list):
        for child in node:
            _correct_example(child)
    elif isinstance(node, dict):
        if isinstance(id_ := node.get("id"), int):
            node["id"] = str(id_)
        if "access_token" in node:
            node |= {"refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.QV30"}
        for child in node.values():
            _correct_example(child)

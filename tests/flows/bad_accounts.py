"""Bad requests to the endpoints of django-allauth."""

import json
from collections.abc import Mapping

from tests.flows.bad_requests import AUTH, Bad, no_object, wrong_text

# django-allauth turns every value but null into a text, so an object would be a valid password.
_UNUSABLE = ("with a NUL", "with a lone surrogate", "null")


def account_cases(path: str, **body: str) -> list[Bad]:
    """Wrong bodies for an endpoint of django-allauth that takes the text fields `body`."""
    url = AUTH + path
    wrong = [
        (what, content)
        for name in body
        for what, content, _ in wrong_text(name, 10_000, **_without(body, name))
        if what.endswith(_UNUSABLE)
    ]
    wrong += [(f"no {name}", _without(body, name)) for name in body]
    return [
        *no_object("POST", path, url),
        *[Bad("POST", path, what, 400, url, "", json.dumps(content)) for what, content in wrong],
    ]


def _without(body: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in body.items() if key != name}


# The main endpoints of django-allauth. Requests under /account carry the caller's token.
_PASSWORD = "low-tide-at-dawn"
ACCOUNT_CASES: list[Bad] = [
    *account_cases("/auth/signup", username="new_name", email="n@example.org", password=_PASSWORD),
    *account_cases("/auth/login", username="$other", password=_PASSWORD + "!"),
    *account_cases("/tokens/refresh", refresh_token="garbage"),
    *account_cases("/auth/password/request", email="n@example.org"),
    *account_cases("/auth/password/reset", key="1-2-3", password=_PASSWORD),
    *account_cases("/auth/email/verify", key="garbage"),
    *account_cases(
        "/account/password/change", current_password=_PASSWORD, new_password=_PASSWORD + "!"
    ),
    *account_cases("/account/authenticators/totp", code="000000"),
    *[
        Bad("POST", path, what, 400, AUTH + path, names, json.dumps(body))
        for path, what, names, body in [
            ("/auth/login", "two names", "", {"username": "$me", "email": "n@example.org"}),
            ("/auth/password/request", "no address", "email", {"email": "n at example"}),
            ("/auth/email/verify", "unknown key", "key", {"key": "MQ:1xVAmf:garbage"}),
            ("/auth/password/reset", "unknown key", "key", {"key": "z" * 13 + "-z"}),
            ("/tokens/refresh", "an access token", "", {"refresh_token": "$token"}),
        ]
    ],
    *[
        Bad("GET", path, "wrong method", 405, AUTH + path)
        for path in ("/auth/signup", "/auth/login", "/tokens/refresh", "/auth/password/request")
    ],
    Bad("GET", "/nowhere", "unknown", 404, f"{AUTH}/nowhere"),
    Bad(
        "GET",
        "/account/email",
        "no token",
        401,
        f"{AUTH}/account/email",
        headers={"Authorization": ""},
    ),
    Bad(
        "GET",
        "/auth/session",
        "unknown",
        410,
        f"{AUTH}/auth/session",
        headers={"X-Session-Token": "x"},
    ),
    Bad(
        "POST",
        "/auth/2fa/authenticate",
        "no log-in",
        401,
        f"{AUTH}/auth/2fa/authenticate",
        content="{}",
    ),
]

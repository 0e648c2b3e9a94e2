"""No log of any process has a secret in it: no password, token, cookie or key."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from devstack.lifecycle import Stack
from tests.support.accounts import AUTH, NEW_PASSWORD, link_in_mail
from tests.support.client import PASSWORD, http_client, wait_until
from tests.support.images import jpeg_with_gps
from users.services import ensure_account

STAFF_PASSWORD = "staff-of-the-tides"


class Visitor:
    """Sends requests, and remembers every secret that they carried."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.secrets: set[str] = set()
        self.request_id = ""

    def send(self, method: str, path: str, *secrets: str, **options: object) -> httpx.Response:
        self.secrets |= {*secrets}
        answer = self.http.request(method, path, **options)  # type: ignore[arg-type]
        self.secrets |= {*answer.cookies.values()}
        self.request_id = answer.headers["X-Request-ID"]
        return answer

    def keep_tokens(self, answer: httpx.Response) -> str:
        """Remember the tokens of an answer, and send the access token from now on."""
        meta = answer.json()["meta"]
        self.secrets |= {value for name, value in meta.items() if name.endswith("_token")}
        self.http.headers["Authorization"] = f"Bearer {meta['access_token']}"
        return str(meta["refresh_token"])


def account_of(visitor: Visitor, name: str) -> None:
    """Sign up, log in, refresh, upload, verify the address, reset the password."""
    address = f"{name}@example.org"
    visitor.secrets |= {PASSWORD, NEW_PASSWORD, address}
    body = {"username": name, "email": address, "password": PASSWORD}
    visitor.keep_tokens(visitor.send("POST", f"{AUTH}/auth/signup", json=body))
    del visitor.http.headers["Authorization"]
    body = {"username": name, "password": PASSWORD}
    browser = {"X-Refresh-Cookie": "1"}
    visitor.send("POST", f"{AUTH}/auth/login", json=body, headers=browser)
    visitor.send("POST", f"{AUTH}/tokens/refresh", json={}, headers=browser)
    assert visitor.http.cookies["refresh_token"] in visitor.secrets
    refresh = visitor.keep_tokens(visitor.send("POST", f"{AUTH}/auth/login", json=body))
    body = {"refresh_token": refresh}
    visitor.send("POST", f"{AUTH}/tokens/refresh", json=body)
    visitor.send("POST", "/api/v1/media", files={"file": ("a.jpg", jpeg_with_gps())})
    visitor.send("POST", f"{AUTH}/auth/password/request", json={"email": address})
    for page, reset in (("verify-email", False), ("password-reset", True)):
        link = link_in_mail(address, f"/account/{page}")
        raw = link.rsplit("/", 1)[1]
        key = unquote(raw)
        visitor.secrets |= {raw, key}
        assert visitor.send("GET", link).status_code == 200
        visitor.send("GET", "/static/socialfeed/pages.css", headers={"Referer": link})
        # Django logs the address of these.
        assert visitor.send("POST", link).status_code == 405
        assert visitor.send("GET", f"{link}/more?key={raw}").status_code == 404
        header = "X-Password-Reset-Key" if reset else "X-Email-Verification-Key"
        path = f"{AUTH}/auth/{'password/reset' if reset else 'email/verify'}"
        assert visitor.send("GET", path, headers={header: key}).status_code == 200
        body = {"key": key} | ({"password": NEW_PASSWORD} if reset else {})
        assert visitor.send("POST", path, json=body).status_code in (200, 401)


def staff_of(visitor: Visitor, name: str) -> None:
    """Log in to the admin by form and cookie."""
    visitor.secrets.add(STAFF_PASSWORD)
    token = visitor.send("GET", "/admin/login/").cookies["csrftoken"]
    form = {"username": name, "password": STAFF_PASSWORD, "csrfmiddlewaretoken": token}
    visitor.send("POST", "/admin/login/", data=form)
    visitor.send("GET", "/admin/")


def logs_of(stack: Stack) -> dict[str, str]:
    """The text of each log by its name, also of those that the web server has compressed."""
    while True:
        try:
            return {path.name: text_of(path) for path in stack.log_dir.iterdir()}
        except FileNotFoundError:
            continue  # it was compressed meanwhile, and has another name


def text_of(log: Path) -> str:
    data = log.read_bytes()
    if log.suffix == ".gz":  # perhaps not written to its end yet
        data = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(data)
    return data.decode(errors="replace")


def access_log(stack: Stack) -> str:
    logs = logs_of(stack)
    return "".join(log for name, log in logs.items() if name.startswith("caddy-access"))


def test_no_log_has_a_secret(stack: Stack, committed: None, unique: Callable[[str], str]) -> None:
    staff = unique("staff")
    ensure_account(
        username=staff, email=f"{staff}@example.org", password=STAFF_PASSWORD, staff=True
    )
    with http_client(stack.layout.public_origin) as http:
        visitor = Visitor(http)
        account_of(visitor, unique("ada"))
        staff_of(visitor, staff)
        # Values that no token of this service looks like, in every place that a client can fill.
        for number, (path, options) in enumerate(
            {
                "/api/v1/users/me": {"headers": {"X-Session-Token": "secret-0-in-a-header"}},
                "/nowhere?token=secret-1-in-a-query": {},
                "/api/v1/users?search=a&access_token=secret-2-in-a-query": {},
                "/metrics?key=secret-3-in-a-query": {"headers": {"Cookie": "a=secret-3-cookie"}},
                "/admin/x?next=/y?token=secret-4-in-a-query": {},
            }.items()
        ):
            visitor.send("GET", path, f"secret-{number}-", **options)
    wait_until(lambda: visitor.request_id in access_log(stack))
    logs = logs_of(stack)
    assert len(logs) >= 12
    found = {
        (name, secret) for name, log in logs.items() for secret in visitor.secrets if secret in log
    }
    assert not found
    assert "Not Found: /account/" in logs["read-api-1.log"] + logs["read-api-2.log"]


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/metrics"])
def test_the_access_log_says_who_asked_what_and_when(stack: Stack, path: str) -> None:
    answer = httpx.get(stack.layout.public_origin + path)
    id_ = answer.headers["X-Request-ID"]

    def lines() -> list[str]:
        return [line for line in access_log(stack).splitlines() if id_ in line]

    wait_until(lambda: bool(lines()))
    (line,) = map(json.loads, lines())
    assert line["request_id"] == id_
    assert line["status"] == 404
    request = line["request"]
    assert (request["method"], request["uri"], request["client_ip"]) == ("GET", path, "127.0.0.1")
    assert line["duration"] > 0
    assert "headers" not in request
    assert "resp_headers" not in line

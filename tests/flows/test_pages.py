"""Every page has a Content-Security-Policy, and keeps to it; other answers have one too."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from django.contrib import admin

from devstack.lifecycle import Stack
from tests.support.client import http_client
from tests.support.staff import staff_browser
from users.services import ensure_account

KEY = "a-key"
PUBLIC_PAGES = [
    *("/developers/", "/api/docs/", "/admin/login/", "/nowhere"),
    *("/problems/", "/problems/comments-closed", "/problems/nothing"),
    *(f"/account/{page}/{KEY}" for page in ("verify-email", "password-reset")),
]
NO_PAGES = [
    *("/api/v1/users/me", "/api/v1/nowhere", "/api/schema/", "/api/docs/?script="),
    *("/healthz/live", "/healthz/ready", "/metrics", "/_allauth/app/v1/config"),
    *("/static/socialfeed/pages.css", "/static/nowhere"),
]


class Inline(HTMLParser):
    """Finds what a strict policy forbids, and what a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.loaded: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        is_data = given.get("type", "").endswith("json")
        if (tag == "script" and "src" not in given and not is_data) or tag == "style":
            self.forbidden.append(f"<{tag}>")
        self.forbidden += [
            f"{tag} {name}" for name in given if name == "style" or name.startswith("on")
        ]
        if tag in {"script", "img"} and "src" in given:
            self.loaded.append((f"{tag}-src", given["src"]))
        if tag == "link":
            self.loaded.append(
                ("img-src" if "icon" in given["rel"] else "style-src", given["href"])
            )


def directives(policy: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}


def assert_keeps_its_policy(page: str, policy: str, origin: str) -> None:
    allowed = directives(policy)
    assert allowed["default-src"] == allowed["frame-ancestors"] == ["'none'"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & {
        one for v in allowed.values() for one in v
    }
    found = Inline(page)
    assert found.forbidden == []
    for kind, address in found.loaded:
        url = urlsplit(urljoin(origin, address))
        source = (
            "'self'" if f"{url.scheme}://{url.netloc}" == origin else f"{url.scheme}://{url.netloc}"
        )
        source = "data:" if url.scheme == "data" else source
        assert source in allowed[kind], (kind, address)


@pytest.mark.parametrize("path", PUBLIC_PAGES)
def test_a_page_keeps_its_policy(stack: Stack, path: str) -> None:
    origin = stack.layout.public_origin
    page = httpx.get(origin + path)
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert_keeps_its_policy(page.text, page.headers["Content-Security-Policy"], origin)
    for _, address in Inline(page.text).loaded:
        if not address.startswith("data:"):
            assert httpx.get(urljoin(origin, address)).status_code == 200, address


@pytest.mark.parametrize("page", ["verify-email", "password-reset"])
def test_a_page_with_a_key_is_neither_stored_nor_named_to_others(stack: Stack, page: str) -> None:
    answer = httpx.get(f"{stack.layout.public_origin}/account/{page}/{KEY}")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'data-key="{KEY}"' in answer.text


@pytest.mark.parametrize("path", NO_PAGES)
def test_what_is_no_page_allows_nothing(stack: Stack, path: str) -> None:
    answer = httpx.get(stack.layout.public_origin + path)
    assert not answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


def admin_pages() -> Iterator[str]:
    yield "/admin/"
    yield "/admin/password_change/"
    yield "/admin/login/second-factor/"
    yield "/admin/operations/explain/"
    for model in admin.site._registry:
        yield f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield f"/admin/{model._meta.app_label}/{model._meta.model_name}/add/"


@pytest.mark.django_db
def test_every_page_of_the_admin_keeps_its_policy(unique: Callable[[str], str]) -> None:
    name = unique("root")
    user_id, _ = ensure_account(username=name, email=f"{name}@example.org", staff=True)
    client, shown = staff_browser(user_id), 0
    for path in [*admin_pages(), f"/admin/users/user/{user_id}/change/"]:
        page = client.get(path)
        policy = page["Content-Security-Policy"]
        assert_keeps_its_policy(page.content.decode(), policy, "http://testserver")
        shown += page.status_code == 200
    assert shown > 15


def test_an_error_of_the_admin_has_a_policy_too(stack: Stack) -> None:
    with http_client(stack.layout.public_origin) as http:
        refused = http.post("/admin/login/", data={})
    assert refused.status_code == 403
    assert "default-src" in refused.headers["Content-Security-Policy"]

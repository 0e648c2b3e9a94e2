"""What somebody without an account sees of the client."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.client import Person, wait_until
from tests.web.browsing import Visitor, log_in


@pytest.fixture
def guest(visitor: Callable[..., Visitor]) -> Visitor:
    """Somebody who is not logged in."""
    return visitor()


def log_in_address(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(f"/log-in?next={quote(path, safe='')}") + "$")


def post_of(page: Page) -> Any:
    return page.get_by_role("article")


def test_a_guest_reads_a_post_and_its_comments(
    guest: Visitor, ada: Person, bea: Person, post: Any
) -> None:
    comment = ada.comment(post, "So still.")
    bea.comment(post, "Thank you.", reply_to=comment["id"])
    guest.opens(f"/p/{post['id']}", "Post")
    page = guest.page
    expect(post_of(page)).to_contain_text("Low tide.")
    expect(page.get_by_text("So still.")).to_be_visible()
    page.get_by_role("button", name="Show 1 reply").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    expect(page.get_by_role("textbox")).to_have_count(0)
    expect(page.get_by_role("button", name="Reply")).to_have_count(0)
    for link in ("Log in", "Sign up", "Log in to comment"):
        expect(page.get_by_role("link", name=link, exact=True)).to_be_visible()


@pytest.mark.parametrize("name", ["Like", "Log in", "Log in to comment", "1 like"])
def test_what_needs_an_account_leads_to_the_log_in_and_back(
    guest: Visitor, ada: Person, post: Any, name: str
) -> None:
    ada.like(post)
    path, page = f"/p/{post['id']}", guest.page
    guest.opens(path, "Post")
    role: Any = "button" if name == "Like" else "link"
    page.get_by_role(role, name=name, exact=True).first.click()
    after = f"{path}/likes" if name == "1 like" else path
    expect(page).to_have_url(log_in_address(after))
    log_in(page, ada.username)
    expect(page).to_have_url(re.compile(re.escape(after) + "$"))
    if after == path:
        expect(post_of(page)).to_contain_text("Low tide.")
        # Nothing was done in anybody's name.
        expect(page.get_by_role("button", name="Like").first).to_have_attribute(
            "aria-pressed", "true"
        )
        assert ada.get(f"/posts/{post['id']}")["counts"] == {"likes": 1, "comments": 0}


def test_a_guest_sees_a_profile_with_its_posts(
    guest: Visitor, bea: Person, post: Any, unique: Callable[[str], str]
) -> None:
    path, page = f"/u/{bea.username}", guest.page
    guest.opens(path, bea.username)
    expect(page.get_by_text("1 post", exact=True)).to_be_visible()
    page.get_by_role("link", name="1 follower").click()
    expect(page).to_have_url(log_in_address(f"{path}/followers"))
    page.go_back()
    page.get_by_role("button", name="Follow").click()
    expect(page).to_have_url(log_in_address(path))
    # Somebody new comes back too.
    page.get_by_role("link", name="Sign up").click()
    name = unique("new")
    # The log-in has a field "Username or e-mail".
    page.get_by_label("E-mail", exact=True).fill(f"{name}@example.org")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("low-tide-at-dawn")
    page.get_by_role("button", name="Sign up").click()
    expect(page).to_have_url(re.compile(re.escape(path) + "$"))
    page.get_by_role("button", name="Follow").click()
    wait_until(lambda: bea.get(f"/users/{bea.username}")["counts"]["followers"] == 2)


def test_a_guest_asks_once_whether_there_is_a_session(guest: Visitor, post: Any) -> None:
    asked: list[str] = []
    guest.page.on("request", lambda request: asked.append(request.url))
    guest.opens(f"/p/{post['id']}", "Post")
    expect(guest.page.get_by_text("No comments yet")).to_be_visible()
    assert len([url for url in asked if url.endswith("/tokens/refresh")]) == 1


def test_other_pages_lead_a_guest_to_the_log_in(guest: Visitor, bea: Person) -> None:
    for path in ("/search", f"/u/{bea.username}/following", "/settings/password"):
        guest.opens(path, "Log in")
        expect(guest.page).to_have_url(log_in_address(path))
        expect(guest.page.get_by_role("navigation")).to_have_count(0)


def test_what_is_not_there_is_said_and_what_is_not_public_asks_to_log_in(
    guest: Visitor, post: Any
) -> None:
    guest.opens("/p/1")
    expect(guest.page.get_by_role("heading", name="There is nothing here")).to_be_visible()

    def refuse(route: Route) -> None:
        route.fulfill(status=401, content_type="application/problem+json", body="{}")

    # As where PUBLIC_PAGES is off.
    guest.page.route("**/api/v1/**", refuse)
    path = f"/p/{post['id']}"
    guest.opens(path)
    expect(guest.page).to_have_url(log_in_address(path))

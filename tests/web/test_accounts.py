"""Log-in, log-out and sign-up in a browser."""

import json
import re
from collections.abc import Callable

import pytest
from django.conf import settings
from playwright.sync_api import expect

from tests.support.client import PASSWORD, Person, wait_until
from tests.web.browsing import PATIENCE, Visitor, log_in
from tests.web.offline import cached_files, stored_rows

HOME = "Your home is still empty"
JWT = re.compile(r"eyJ[\w-]{10,}\.")


def test_a_stranger_is_asked_to_log_in_and_led_to_the_page(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    stranger = visitor()
    stranger.opens(f"/u/{ada.username}/followers", "Log in")
    log_in(stranger.page, ada.username)
    expect(stranger.page.get_by_role("heading", name=f"{ada.username} · Followers")).to_be_visible()


def test_a_wrong_password_is_told_and_the_right_one_logs_in(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    stranger = visitor()
    stranger.opens("/log-in", "Log in")
    log_in(stranger.page, ada.username, "wrong")
    expect(stranger.page.get_by_role("alert")).to_contain_text("not correct")
    log_in(stranger.page, ada.username)
    expect(stranger.page.get_by_role("heading", name=HOME)).to_be_visible()


@pytest.mark.parametrize(
    "next_page",
    ["//evil.example/", "/%5Cevil.example", "/%09/evil.example", "https://evil.example"],
)
def test_a_log_in_leads_to_no_other_site(
    visitor: Callable[..., Visitor], ada: Person, next_page: str
) -> None:
    stranger = visitor()
    stranger.opens(f"/log-in?next={next_page}", "Log in")
    log_in(stranger.page, ada.username)
    expect(stranger.page.get_by_role("heading", name=HOME)).to_be_visible()


def test_one_click_logs_in_with_what_the_address_brings(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    stranger = visitor()
    stranger.opens(f"/log-in#username={ada.username}&password={PASSWORD}", "Log in")
    stranger.page.get_by_role("button", name="Log in").click()
    expect(stranger.page.get_by_role("heading", name=HOME)).to_be_visible()


def test_no_token_that_a_script_can_read_is_stored(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    reader = visitor()
    reader.opens("/log-in", "Log in")
    log_in(reader.page, ada.username)
    expect(reader.page.get_by_role("heading", name=HOME)).to_be_visible()
    page = reader.page
    wait_until(lambda: stored_rows(page).get("homes", []) != [], PATIENCE / 1000)
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    plain = page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie]")
    assert plain == [{}, {}, ""]
    # No JSON Web Token is in what is stored for offline visits.
    assert JWT.search("xeyJhbGciOiJIUzI1NiJ9.e30.x")
    assert not JWT.search(json.dumps([stored_rows(page), cached_files(page)]))
    cookies = {cookie["name"]: cookie for cookie in reader.page.context.cookies()}
    assert cookies[settings.REFRESH_COOKIE_NAME]["httpOnly"]
    # It is enough for the next visit.
    reader.opens("/", HOME)


def test_a_log_out_ends_every_tab(visitor: Callable[..., Visitor], ada: Person) -> None:
    reader = visitor(person=ada)
    reader.opens("/settings", "Settings")
    other = reader.new_tab()
    other.opens("/", HOME)
    reader.page.get_by_role("button", name="Log out", exact=True).click()
    for page in (reader.page, other.page):
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert settings.REFRESH_COOKIE_NAME not in {
        cookie["name"] for cookie in reader.page.context.cookies()
    }


def test_two_tabs_that_start_at_once_both_stay_logged_in(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    reader = visitor(person=ada)
    pages = (reader.page, reader.new_tab().page)
    for page in pages:
        page.goto("/", wait_until="commit")
    for page in pages:
        expect(page.get_by_role("heading", name=HOME)).to_be_visible()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("Password", "short", "too short"), ("Username", "a b", "letters from a to z")],
)
def test_a_sign_up_says_what_to_change(
    visitor: Callable[..., Visitor],
    unique: Callable[[str], str],
    field: str,
    value: str,
    words: str,
) -> None:
    stranger, name = visitor(), unique("cora")
    page = stranger.page
    stranger.opens("/sign-up", "Sign up")
    wanted = {"E-mail": f"{name}@example.org", "Username": name, "Password": PASSWORD}
    for label, text in (wanted | {field: value}).items():
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_label(field)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text(words, ignore_case=True)


def test_a_forgotten_password_sends_a_link(visitor: Callable[..., Visitor], ada: Person) -> None:
    stranger = visitor()
    stranger.opens("/log-in", "Log in")
    stranger.page.get_by_role("link", name="Forgotten password?").click()
    stranger.page.get_by_label("E-mail", exact=True).fill(f"{ada.username}@example.org")
    stranger.page.get_by_role("button", name="Send a link").click()
    sent = stranger.page.get_by_role("status").filter(has_text="a mail with a link is on its way")
    expect(sent).to_be_visible()

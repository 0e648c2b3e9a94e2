"""Mutes, blocks and followers that are removed, in a browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.client import Person
from tests.support.images import jpeg_with_gps
from tests.web.browsing import Visitor
from tests.web.test_screens import check

CAPTION = "Nobody else was up."


@pytest.fixture
def ada(signed_up: Callable[[str], Person]) -> Person:
    return signed_up("ada")


@pytest.fixture
def bea(ada: Person, signed_up: Callable[[str], Person]) -> Person:
    """Somebody with a post, whom ada follows, and who follows her."""
    person = signed_up("bea")
    ada.follow(person)
    person.follow(ada)
    person.post(CAPTION, jpeg_with_gps())
    return person


@pytest.fixture
def reader(visitor: Callable[..., Visitor], ada: Person) -> Visitor:
    return visitor(person=ada)


def choose(about: Locator, person: Person, action: str) -> None:
    """Choose from the menu about a person, which is beside their name."""
    about.get_by_role("button", name=f"Options about {person.username}").click()
    about.page.get_by_role("button", name=action, exact=True).click()


def post_by(page: Page, person: Person) -> Locator:
    return page.get_by_role("article", name=f"Post by {person.username}")


def test_a_mute_and_its_end(reader: Visitor, bea: Person) -> None:
    page = reader.page
    reader.opens("/")
    post = post_by(page, bea)
    post.get_by_role("button", name="Options about").click()
    expect(page.get_by_role("button", name="Mute for a week")).to_be_visible()
    check(page, "menu-about-a-person")
    page.keyboard.press("Escape")
    choose(post, bea, "Mute")
    expect(
        page.get_by_text(f"Your home shows no posts by {bea.username} any more.")
    ).to_be_visible()
    expect(post).to_have_count(0)
    reader.opens(f"/u/{bea.username}")
    expect(
        page.get_by_role("link", name=CAPTION).or_(page.locator("main li a")).first
    ).to_be_visible()
    reader.opens("/settings/muted", "Muted accounts")
    page.get_by_role("listitem").filter(has_text=bea.username).get_by_role(
        "button", name="Unmute"
    ).click()
    expect(page.get_by_text("You mute nobody.")).to_be_visible()
    reader.opens("/")
    expect(post).to_be_visible()


def test_a_mute_for_a_week_says_until_when(reader: Visitor, bea: Person) -> None:
    page = reader.page
    reader.opens(f"/u/{bea.username}")
    choose(page.get_by_role("main"), bea, "Mute for a week")
    expect(
        page.get_by_text(f"For a week your home shows no posts by {bea.username}.")
    ).to_be_visible()
    reader.opens("/settings/muted", "Muted accounts")
    expect(page.get_by_text(re.compile("^until .* at "))).to_be_visible()
    check(page, "settings-muted-one")


def test_a_block_and_its_end(reader: Visitor, ada: Person, bea: Person) -> None:
    page = reader.page
    reader.opens("/")
    expect(post_by(page, bea)).to_be_visible()
    page.get_by_role("link", name=bea.username).first.click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    choose(page.get_by_role("main"), bea, "Block")
    expect(page.get_by_role("heading", name=bea.username)).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    choose(page.get_by_role("main"), bea, "Block")
    expect(page).to_have_url(re.compile("/$"))
    expect(page.get_by_text(f"{bea.username} is blocked.")).to_be_visible()
    expect(post_by(page, bea)).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("link", name=re.compile("follower"))).to_have_count(0)
    reader.opens(f"/u/{bea.username}", "There is nothing here")
    reader.opens(f"/search?q={bea.username}")
    expect(page.get_by_text("Nobody has such a name.")).to_be_visible()
    assert bea.http.get(f"/api/v1/users/{ada.username}").status_code == 404
    reader.opens("/settings/blocked", "Blocked accounts")
    check(page, "settings-blocked-one")
    page.get_by_role("button", name="Unblock").click()
    expect(page.get_by_text("You block nobody.")).to_be_visible()
    reader.opens(f"/u/{bea.username}", bea.username)
    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()


def test_who_is_blocked_at_a_comment_goes_from_the_page(
    reader: Visitor, ada: Person, bea: Person
) -> None:
    page = reader.page
    mine = ada.post("Mine.", jpeg_with_gps())
    bea.comment(mine, "Yours.")
    reader.opens(f"/p/{mine['id']}")
    comment = page.get_by_role("listitem").filter(has_text="Yours.")
    page.once("dialog", lambda dialog: dialog.accept())
    choose(comment, bea, "Block")
    expect(page.get_by_text(f"{bea.username} is blocked.")).to_be_visible()
    expect(comment).to_be_hidden()


def test_a_follower_is_removed(reader: Visitor, ada: Person, bea: Person) -> None:
    page = reader.page
    reader.opens(f"/u/{ada.username}/followers")
    choose(page.get_by_role("listitem").filter(has_text=bea.username), bea, "Remove follower")
    expect(page.get_by_text(f"{bea.username} does not follow you any more")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text=bea.username)).to_be_hidden()
    assert not bea.get(f"/users/{ada.username}")["viewer"]["following"]

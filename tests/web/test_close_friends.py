"""Close friends in a browser: posts for them, and the list of them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.client import Person, wait_until
from tests.support.direct_uploads import announce
from tests.support.images import jpeg_with_gps
from tests.web.browsing import DESKTOP, PATIENCE, Visitor
from tests.web.offline import stored_rows
from tests.web.test_new_post import choose as choose_file
from tests.web.test_privacy import choose as choose_from_menu
from tests.web.test_privacy import post_by
from tests.web.test_screens import check

BADGE = "Close friends"
CAPTION = "Low tide."


@pytest.fixture
def bea(ada: Person, signed_up: Callable[[str], Person]) -> Person:
    """A follower of ada's."""
    person = signed_up("bea")
    person.follow(ada)
    return person


@pytest.fixture
def friend(ada: Person, signed_up: Callable[[str], Person]) -> Person:
    """A follower of ada's whom she has among her close friends."""
    person = signed_up("friend")
    person.follow(ada)
    assert ada.http.put(f"/api/v1/users/{person.username}/close-friend").is_success
    return person


def post_for_close_friends(author: Person) -> Any:
    media = [author.upload(jpeg_with_gps())["id"]]
    body = {"caption": CAPTION, "media": media, "audience": "close_friends"}
    response = author.http.post("/api/v1/posts", json=body)
    assert response.status_code == 201, response.text
    return response.json()


def close_friends(owner: Person) -> list[str]:
    """The usernames of somebody's close friends."""
    found = owner.get("/users/me/close-friends")["results"]
    return [one["user"]["username"] for one in found]


def choice(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="Who sees this post?").get_by_role("radio", name=name)


def test_a_post_for_close_friends_is_written_and_they_see_it_and_no_other_follower(
    visitor: Callable[..., Visitor], ada: Person, friend: Person, bea: Person
) -> None:
    author = visitor(person=ada)
    page = author.page
    author.opens("/new", "New post")
    expect(choice(page, "Everyone")).to_be_checked()
    expect(choose_file(page)).to_contain_text("Ready")
    page.get_by_label("Caption").fill(CAPTION)
    choice(page, BADGE).check()
    check(page, "new-for-close-friends")
    page.get_by_role("button", name="Share").click()
    expect(post_by(page, ada)).to_contain_text(BADGE)
    check(page, "home-for-close-friends")
    [post] = ada.get("/timeline/home")["results"]
    assert post["audience"] == "close_friends"
    # The next post is for everyone again.
    page.get_by_role("link", name="New post").click()
    expect(choice(page, "Everyone")).to_be_checked()

    reader = visitor(person=friend, viewport=DESKTOP)
    for path, screen in (("/", "home"), (f"/p/{post['id']}", "post")):
        reader.opens(path)
        expect(post_by(reader.page, ada)).to_contain_text(BADGE)
        check(reader.page, f"{screen}-for-close-friends-desktop")
    reader.opens(f"/u/{ada.username}", ada.username)
    tile = reader.page.get_by_role("main").get_by_role("listitem").get_by_role("link", name=BADGE)
    expect(tile).to_be_visible()
    check(reader.page, "profile-for-close-friends-desktop")

    other = visitor(person=bea)
    other.opens("/", "Your home is still empty")
    other.opens(f"/u/{ada.username}", "No posts yet")
    other.opens(f"/p/{post['id']}", "There is nothing here")


def test_a_post_for_everyone_has_no_badge(
    visitor: Callable[..., Visitor], ada: Person, friend: Person
) -> None:
    post = ada.post(CAPTION, jpeg_with_gps())
    reader = visitor(person=friend)
    reader.opens(f"/p/{post['id']}")
    expect(post_by(reader.page, ada)).to_contain_text(CAPTION)
    expect(reader.page.get_by_text(BADGE)).to_have_count(0)


def test_the_choice_is_kept_in_the_draft(visitor: Callable[..., Visitor], ada: Person) -> None:
    author = visitor(person=ada)
    page = author.page
    author.opens("/new", "New post")

    def is_stored() -> bool:
        return [one["audience"] for one in stored_rows(page)["drafts"]] == ["close_friends"]

    choice(page, BADGE).check()
    wait_until(is_stored, PATIENCE / 1000)
    page.reload()
    expect(choice(page, BADGE)).to_be_checked()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Discard").click()
    expect(choice(page, "Everyone")).to_be_checked()
    wait_until(lambda: stored_rows(page)["drafts"] == [], PATIENCE / 1000)


def test_a_post_that_waits_for_its_files_says_that_it_is_for_close_friends(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    media = [announce(ada, b"not sent yet")["id"]]
    body = {"caption": CAPTION, "media": media, "audience": "close_friends"}
    assert ada.http.post("/api/v1/posts", json=body).status_code == 202
    author = visitor(person=ada)
    author.opens("/")
    expect(author.page.get_by_role("region", name="New post")).to_contain_text(BADGE)
    check(author.page, "home-waiting-for-close-friends")


def test_somebody_is_added_and_removed_by_the_menu(
    visitor: Callable[..., Visitor], ada: Person, bea: Person
) -> None:
    post_for_close_friends(ada)
    owner = visitor(person=ada)
    page = owner.page
    owner.opens(f"/u/{bea.username}", bea.username)
    main = page.get_by_role("main")
    main.get_by_role("button", name="Options about").click()
    expect(page.get_by_role("button", name="Add to close friends")).to_be_visible()
    check(page, "menu-add-close-friend")
    page.keyboard.press("Escape")
    choose_from_menu(main, bea, "Add to close friends")
    expect(page.get_by_text(f"{bea.username} is on your list of close friends.")).to_be_visible()
    assert close_friends(ada) == [bea.username]
    assert len(bea.home_ids()) == 1

    # The menu knows it at once.
    choose_from_menu(main, bea, "Remove from close friends")
    expect(page.get_by_text(re.compile("is not on your list of close friends"))).to_be_visible()
    assert close_friends(ada) == []
    assert bea.home_ids() == []
    main.get_by_role("button", name="Options about").click()
    expect(page.get_by_role("button", name="Add to close friends")).to_be_visible()


def test_somebody_is_removed_in_the_settings(
    visitor: Callable[..., Visitor], ada: Person, friend: Person
) -> None:
    owner = visitor(person=ada)
    page = owner.page
    owner.opens("/settings", "Settings")
    page.get_by_role("link", name="Close friends").click()
    item = page.get_by_role("listitem").filter(has_text=friend.username)
    expect(item).to_be_visible()
    check(page, "settings-close-friends-one")
    item.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Nobody is on this list yet.")).to_be_visible()
    assert close_friends(ada) == []
    owner.opens(f"/u/{friend.username}", friend.username)
    page.get_by_role("main").get_by_role("button", name="Options about").click()
    expect(page.get_by_role("button", name="Add to close friends")).to_be_visible()

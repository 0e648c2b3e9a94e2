"""Who may comment, restricted accounts and hidden words in a browser."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import DESKTOP, PATIENCE, Visitor
from tests.web.offline import article, comments
from tests.web.test_changes import item
from tests.web.test_privacy import choose as choose_from_menu
from tests.web.test_screens import check

RULES = "/api/v1/users/me/commenting"
LIMITED = "Only followers of the author may comment."
WAITING = "Comments that wait for you"
TEXT = "Nobody else was up."


@pytest.fixture
def post(ada: Person) -> Any:
    return ada.post("Low tide.", jpeg_with_gps())


@pytest.fixture
def third(signed_up: Callable[[str], Person]) -> Person:
    """Somebody whom nobody restricts."""
    return signed_up("third")


def set_rules(person: Person, **rules: Any) -> None:
    assert person.http.patch(RULES, json=rules).is_success


def restrict(owner: Person, person: Person) -> None:
    assert owner.http.put(f"/api/v1/users/{person.username}/restriction").is_success


def field(page: Page | Locator) -> Locator:
    return page.get_by_label("Add a comment")


def commenter(page: Page, name: str) -> Locator:
    """One of the choices of who may comment."""
    return page.get_by_role("group", name="Who may comment").get_by_role("radio", name=name)


def questions(page: Page) -> list[str]:
    """The addresses at which a page has asked whether the reader may comment, from now on."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if re.search(r"/posts/\d+/commenting$", request.url):
            asked.append(request.url)

    page.on("request", note)
    return asked


def test_the_rules_of_an_account_are_stored(visitor: Callable[..., Visitor], ada: Person) -> None:
    owner = visitor(person=ada)
    page = owner.page
    owner.opens("/settings", "Settings")
    page.get_by_role("link", name="Comments", exact=True).click()
    expect(commenter(page, "Everyone")).to_be_checked()
    commenter(page, "My followers").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    for word in ("spoiler", "free followers"):
        page.get_by_label("Word or phrase").fill(f" {word} ")
        page.get_by_label("Word or phrase").press("Enter")
        expect(item(page, word)).to_be_visible()
        expect(page.get_by_label("Word or phrase")).to_have_value("")
    assert ada.http.get(RULES).json() == {
        "comments_from": "followers",
        "hidden_words": ["spoiler", "free followers"],
    }
    check(page, "settings-comments-chosen")

    page.reload()
    expect(commenter(page, "My followers")).to_be_checked()
    item(page, "spoiler").get_by_role("button", name="Remove").click()
    expect(item(page, "spoiler")).to_have_count(0)
    expect(item(page, "free followers")).to_be_visible()
    assert ada.http.get(RULES).json()["hidden_words"] == ["free followers"]
    page.get_by_role("link", name="Held comments").click()
    expect(page.get_by_role("heading", name="No comment waits for you.")).to_be_visible()


def test_a_hundred_words_are_all(visitor: Callable[..., Visitor], ada: Person) -> None:
    set_rules(ada, hidden_words=[f"word{i}" for i in range(100)])
    owner = visitor(person=ada)
    owner.opens("/settings/comments", "Comments")
    expect(owner.page.get_by_text("You have 100 words and phrases.")).to_be_visible()
    item(owner.page, "word99").get_by_role("button", name="Remove").click()
    expect(owner.page.get_by_label("Word or phrase")).to_be_visible()


def test_a_stranger_sees_who_may_comment_in_place_of_the_form(
    visitor: Callable[..., Visitor], ada: Person, bea: Person, third: Person, post: Any
) -> None:
    ada.comment(post, TEXT)
    set_rules(ada, comments_from="followers")
    bea.follow(ada)
    stranger, follower = visitor(person=third), visitor(person=bea, viewport=DESKTOP)
    stranger.opens(f"/p/{post['id']}")
    expect(stranger.page.get_by_text(LIMITED)).to_be_visible()
    expect(field(stranger.page)).to_have_count(0)
    expect(item(stranger.page, TEXT)).to_be_visible()
    expect(stranger.page.get_by_role("button", name="Reply")).to_have_count(0)
    check(stranger.page, "post-comments-limited")
    # A follower comments.
    with follower.page.expect_response(re.compile(r"/posts/\d+/commenting$")):
        follower.opens(f"/p/{post['id']}")
    field(follower.page).fill("Nobody was.")
    field(follower.page).press("Enter")
    wait_until(lambda: (bea.username, "Nobody was.") in comments(ada, post), PATIENCE / 1000)


def test_a_card_asks_only_when_its_form_is_used(
    visitor: Callable[..., Visitor], ada: Person, bea: Person, post: Any
) -> None:
    bea.follow(ada)
    set_rules(ada, comments_from="following")
    reader = visitor(person=bea)
    page = reader.page
    asked = questions(page)
    reader.opens("/")
    expect(article(page)).to_contain_text(post["caption"])
    page.wait_for_load_state("networkidle")
    assert asked == []
    field(article(page)).focus()
    expect(article(page)).to_contain_text("Only people whom the author follows may comment.")
    expect(field(article(page))).to_have_count(0)
    assert len(asked) == 1
    check(page, "home-comments-limited")


def test_who_may_comment_is_asked_of_nobody_who_is_logged_out_or_may_anyway(
    visitor: Callable[..., Visitor], ada: Person, post: Any
) -> None:
    set_rules(ada, comments_from="nobody")
    stranger, author = visitor(), visitor(person=ada)
    for one in (stranger, author):
        asked = questions(one.page)
        one.opens(f"/p/{post['id']}")
        expect(article(one.page)).to_contain_text(post["caption"])
        one.page.wait_for_load_state("networkidle")
        assert asked == []
    expect(field(author.page)).to_be_visible()


def test_what_is_refused_stays_in_the_form(
    visitor: Callable[..., Visitor], ada: Person, bea: Person, post: Any
) -> None:
    reader = visitor(person=bea)
    page = reader.page
    with page.expect_response(re.compile(r"/posts/\d+/commenting$")):
        reader.opens(f"/p/{post['id']}")
    field(page).fill(TEXT)
    # The page does not know of the new rule.
    set_rules(ada, comments_from="followers")
    field(page).press("Enter")
    refused = page.get_by_role("status").filter(has_text="does not let everybody comment")
    expect(refused).to_be_visible()
    expect(page.get_by_text(LIMITED)).to_be_visible()
    expect(field(page)).to_have_value(TEXT)
    check(page, "post-comment-refused")
    field(page).fill("")
    expect(field(page)).to_have_count(0)
    expect(page.get_by_text(LIMITED)).to_be_visible()
    assert comments(ada, post) == []


def test_a_post_has_a_rule_of_its_own(
    visitor: Callable[..., Visitor], ada: Person, bea: Person, post: Any
) -> None:
    set_rules(ada, comments_from="nobody")
    author = visitor(person=ada)
    page = author.page
    author.opens(f"/p/{post['id']}")

    def open_form() -> None:
        article(page).get_by_role("button", name="Options").click()
        page.get_by_role("button", name="Who may comment").click()
        expect(commenter(page, "Everyone")).to_be_visible()

    open_form()
    expect(commenter(page, "As in my settings")).to_be_checked()
    commenter(page, "Everyone").check()
    check(page, "post-who-may-comment")
    page.get_by_role("button", name="Cancel").click()
    expect(commenter(page, "Everyone")).to_have_count(0)
    assert ada.get(f"/posts/{post['id']}")["comments_from"] == "account"

    open_form()
    expect(commenter(page, "As in my settings")).to_be_checked()
    commenter(page, "Everyone").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(commenter(page, "Everyone")).to_have_count(0)
    assert ada.get(f"/posts/{post['id']}")["comments_from"] == "everyone"
    bea.comment(post, TEXT)


def test_a_restricted_person_is_approved_and_then_seen_by_all(
    visitor: Callable[..., Visitor], ada: Person, bea: Person, third: Person, post: Any
) -> None:
    owner = visitor(person=ada)
    page = owner.page
    owner.opens(f"/u/{bea.username}", bea.username)
    choose_from_menu(page.get_by_role("main"), bea, "Restrict")
    expect(page.get_by_text(f"New comments by {bea.username} on your posts wait")).to_be_visible()

    writer, other = visitor(person=bea), visitor(person=third)
    writer.opens(f"/p/{post['id']}")
    field(writer.page).fill(TEXT)
    field(writer.page).press("Enter")
    expect(item(writer.page, TEXT)).to_be_visible()
    wait_until(lambda: bool(ada.get("/held-comments")["results"]), PATIENCE / 1000)
    # The writer is not told.
    writer.opens(f"/p/{post['id']}")
    expect(item(writer.page, TEXT)).to_be_visible()
    check(writer.page, "post-comment-held-for-its-writer")
    other.opens(f"/p/{post['id']}")
    expect(other.page.get_by_role("heading", name="No comments yet")).to_be_visible()

    # The author asks for them.
    owner.opens(f"/p/{post['id']}")
    expect(page.get_by_role("heading", name="No comments yet")).to_be_visible()
    check(page, "post-of-mine")
    page.get_by_role("link", name=WAITING).click()
    expect(page.get_by_role("heading", name=WAITING)).to_be_visible()
    expect(item(page, TEXT)).to_contain_text(bea.username)
    check(page, "settings-held-comments-one")
    item(page, TEXT).get_by_role("button", name="Approve").click()
    expect(page.get_by_text("The comment is shown to everybody")).to_be_visible()
    expect(page.get_by_role("heading", name="No comment waits for you.")).to_be_visible()
    page.get_by_role("button", name="Previous").click()
    expect(item(page, TEXT)).to_be_visible()
    other.page.reload()
    expect(item(other.page, TEXT)).to_be_visible()


def test_a_hidden_word_holds_a_comment_back(
    visitor: Callable[..., Visitor], ada: Person, bea: Person, post: Any
) -> None:
    set_rules(ada, hidden_words=["spoiler"])
    another = ada.post("High tide.", jpeg_with_gps())
    bea.comment(post, "A SPOILER: it ebbs.")
    first = bea.comment(another, "Spoiler! It rises.")
    bea.comment(another, "And falls.", reply_to=first["id"])
    assert comments(ada, post) == []
    owner = visitor(person=ada, viewport=DESKTOP)
    page = owner.page
    page.on("dialog", lambda dialog: dialog.accept())
    owner.opens("/settings/held-comments", "Held comments")
    expect(page.get_by_role("button", name="Approve")).to_have_count(3)
    check(page, "settings-held-comments-desktop")
    # A reply cannot be shown without what it replies to.
    item(page, "And falls.").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").filter(has_text="Approve it first.")).to_be_visible()
    expect(item(page, "And falls.")).to_contain_text("a reply")

    # Of one post, and deleted with its reply.
    owner.opens(f"/settings/held-comments?post={another['id']}", WAITING)
    expect(page.get_by_role("button", name="Approve")).to_have_count(2)
    item(page, "It rises.").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No comment waits for you.")).to_be_visible()
    assert [one["post_id"] for one in ada.get("/held-comments")["results"]] == [post["id"]]

    # What its author has deleted meanwhile goes from the list.
    owner.opens("/settings/held-comments", "Held comments")
    expect(item(page, "it ebbs.")).to_be_visible()
    [held] = ada.get("/held-comments")["results"]
    assert bea.http.delete(f"/api/v1/comments/{held['comment']['id']}").is_success
    item(page, "it ebbs.").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="No comment waits for you.")).to_be_visible()


def test_a_restriction_ends_in_the_settings_and_in_the_menu(
    visitor: Callable[..., Visitor], ada: Person, bea: Person
) -> None:
    restrict(ada, bea)
    owner = visitor(person=ada)
    page = owner.page
    owner.opens("/settings", "Settings")
    page.get_by_role("link", name="Restricted accounts").click()
    row = item(page, bea.username)
    expect(row).to_be_visible()
    check(page, "settings-restricted-one")
    row.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("You restrict nobody.")).to_be_visible()
    assert not ada.get(f"/users/{bea.username}")["viewer"]["restricting"]

    restrict(ada, bea)
    owner.opens(f"/u/{bea.username}", bea.username)
    main = page.get_by_role("main")
    main.get_by_role("button", name="Options about").click()
    expect(page.get_by_role("button", name="End restriction")).to_be_visible()
    check(page, "menu-end-restriction")
    page.keyboard.press("Escape")
    choose_from_menu(main, bea, "End restriction")
    expect(page.get_by_text("are shown at once again.")).to_be_visible()
    assert not ada.get(f"/users/{bea.username}")["viewer"]["restricting"]

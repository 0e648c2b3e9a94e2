"""Captions and comments are changed and deleted, and new posts are announced."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import PATIENCE, Visitor
from tests.web.offline import article, comments
from tests.web.test_screens import violations

HERS, MINE, ANSWER = "But the gulls.", "Nobody else was up.", "I was."


def item(page: Page, text: str) -> Locator:
    """The comment with a text."""
    return page.get_by_role("listitem").filter(has_text=text)


@pytest.fixture
def page(reader: Visitor) -> Page:
    """ada's page, who agrees to all questions."""
    reader.page.on("dialog", lambda dialog: dialog.accept())
    return reader.page


@pytest.fixture
def thread(page: Page, ada: Person, bea: Person, post: Any) -> None:
    """A comment of bea's, one of ada's, and bea's answer; ada has come from home to the post."""
    bea.comment(post, HERS)
    bea.comment(post, ANSWER, reply_to=ada.comment(post, MINE)["id"])
    page.reload()
    article(page).get_by_role("link", name="Comment", exact=True).click()
    expect(item(page, MINE)).to_be_visible()


@pytest.mark.usefixtures("thread")
def test_a_comment_is_changed_by_its_author_only(
    page: Page, reader: Visitor, ada: Person, bea: Person, post: Any
) -> None:
    for name in ("Edit", "Delete"):
        expect(item(page, HERS).get_by_role("button", name=name)).to_have_count(0)
    item(page, MINE).get_by_role("button", name="Edit").click()
    field = page.get_by_role("textbox", name="Edit")
    expect(field).to_be_focused()
    expect(field).to_have_value(MINE)
    assert violations(page) == []
    # Escape changes nothing.
    field.fill("Nobody")
    field.press("Escape")
    item(page, MINE).get_by_role("button", name="Edit").click()
    expect(field).to_have_value(MINE)
    field.fill("Nobody was up.")
    field.press("Enter")
    changed = item(page, "Nobody was up.")
    expect(changed.get_by_text("edited", exact=True)).to_be_visible()
    said = [(bea.username, HERS), (ada.username, "Nobody was up."), (bea.username, ANSWER)]
    assert comments(bea, post) == said
    # The post at home shows it too.
    page.get_by_role("link", name="Home").click()
    expect(article(page)).to_contain_text("Nobody was up.")
    reader.opens(f"/p/{post['id']}", "Post")
    expect(changed).to_be_visible()


@pytest.mark.usefixtures("thread")
def test_a_comment_is_deleted_with_its_replies(page: Page, bea: Person, post: Any) -> None:
    item(page, MINE).get_by_role("button", name="Delete").click()
    expect(item(page, MINE)).to_have_count(0)
    expect(item(page, HERS)).to_be_visible()
    assert comments(bea, post) == [(bea.username, HERS)]
    page.get_by_role("link", name="Home").click()
    expect(article(page)).to_contain_text("Show 1 comment")
    for text in (MINE, ANSWER):
        expect(article(page)).not_to_contain_text(text)


def test_the_author_of_a_post_deletes_any_comment(
    page: Page, reader: Visitor, ada: Person, bea: Person
) -> None:
    own = ada.post("High tide.", jpeg_with_gps())
    bea.comment(own, HERS)
    reader.opens(f"/p/{own['id']}", "Post")
    item(page, HERS).get_by_role("button", name="Delete").click()
    expect(item(page, HERS)).to_have_count(0)
    assert comments(ada, own) == []


def test_a_caption_is_changed(page: Page, reader: Visitor, ada: Person) -> None:
    own = ada.post("High tide.", jpeg_with_gps())
    reader.opens(f"/p/{own['id']}", "Post")
    shown, field = article(page), page.get_by_label("Caption")

    def edit() -> None:
        shown.get_by_role("button", name="Options").click()
        page.get_by_role("button", name="Edit").click()
        expect(field).to_be_visible()

    edit()
    expect(field).to_have_value("High tide.")
    assert violations(page) == []
    field.fill("Ebb.")
    page.get_by_role("button", name="Cancel").click()
    expect(shown).to_contain_text("High tide.")

    # What is refused stays in the field.
    edit()
    field.fill("Ebb." + "." * 2200)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="at most 2,200")).to_be_visible()
    field.fill("Ebb.")
    page.get_by_role("button", name="Save").click()
    expect(field).to_have_count(0)
    expect(shown).to_contain_text("Ebb.")
    expect(shown).to_contain_text("(edited)")
    assert ada.get(f"/posts/{own['id']}")["caption"] == "Ebb."


def test_new_posts_are_announced_and_shown_when_asked_for(
    page: Page, ada: Person, bea: Person
) -> None:
    for caption in ("High tide.", "Ebb."):
        bea.post(caption, jpeg_with_gps())
    wait_until(lambda: len(ada.home_ids()) == 3, PATIENCE / 1000)
    # As when the reader comes back to the tab.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    button = page.get_by_role("button", name="Show 2 new posts")
    expect(button).to_be_visible()
    assert violations(page) == []
    # Nothing moves under the reader's eyes.
    expect(article(page)).to_have_count(1)
    button.press("Enter")
    expect(button).to_have_count(0)
    expect(article(page)).to_have_count(3)
    for i, caption in enumerate(("Ebb.", "High tide.", "Low tide.")):
        expect(article(page).nth(i)).to_contain_text(caption)

"""A new post in a browser: files that are sent, broken off, removed, and cannot be processed."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.support.client import Person, wait_until
from tests.support.direct_uploads import announce, send
from tests.support.images import jpeg_with_gps
from tests.web.browsing import PATIENCE, Visitor

ANNOUNCED = re.compile(r"/api/v1/media/uploads$")
STATE = re.compile(r"/api/v1/media/\d+$")
COMPLETE = re.compile(r"/api/v1/media/\d+/complete$")
POSTS = re.compile(r"/api/v1/posts$")


@pytest.fixture
def author(visitor: Callable[..., Visitor], ada: Person) -> Page:
    """The page of a new post."""
    visit: Visitor = visitor(person=ada)
    visit.opens("/new", "New post")
    return visit.page


def picture() -> FilePayload:
    return {"name": "tide.jpg", "mimeType": "image/jpeg", "buffer": jpeg_with_gps()}


def choose(page: Page, file: FilePayload | None = None) -> Locator:
    """Choose a file; returns its item."""
    page.get_by_label("Choose pictures and videos").set_input_files(file or picture())
    return page.get_by_role("listitem").filter(has_text="1 of 1")


def refuse(route: Route) -> None:
    route.fulfill(status=503, content_type="application/problem+json", body="{}")


@pytest.mark.parametrize("request_that_fails", [ANNOUNCED, COMPLETE])
def test_a_file_that_broke_off_goes_on(author: Page, request_that_fails: re.Pattern[str]) -> None:
    author.route(request_that_fails, lambda route: route.abort(), times=1)
    item = choose(author)
    item.get_by_role("button", name="Try again").click()
    expect(item).to_contain_text("Ready")


def test_a_file_whose_completion_got_no_answer_is_not_sent_again(author: Page) -> None:
    def lose_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    author.route(COMPLETE, lose_answer, times=1)
    item = choose(author)
    item.get_by_role("button", name="Try again").click()
    expect(item).to_contain_text("Ready")


def test_a_file_is_followed_though_some_questions_get_no_answer(author: Page) -> None:
    author.route(STATE, refuse, times=2)
    expect(choose(author)).to_contain_text("Ready")


def test_a_file_that_is_removed_at_once_is_deleted(author: Page, ada: Person) -> None:
    with author.expect_response(ANNOUNCED) as announced:
        item = choose(author)
        item.get_by_role("button", name="Remove").click()
    media = announced.value.json()["id"]
    expect(item).to_have_count(0)

    def is_gone() -> bool:
        return ada.http.get(f"/api/v1/media/{media}").status_code == 404

    wait_until(is_gone, PATIENCE / 1000)


def test_a_file_of_another_kind_is_refused(author: Page) -> None:
    note: FilePayload = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"Low tide."}
    author.get_by_label("Choose pictures and videos").set_input_files(note)
    told = author.get_by_role("status").filter(has_text="note.txt is neither")
    expect(told).to_be_visible()


def test_a_post_whose_answer_was_lost_is_published_once(author: Page, ada: Person) -> None:
    def lose_answer(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    author.route(POSTS, lose_answer, times=1)
    expect(choose(author)).to_contain_text("Ready")
    author.get_by_label("Caption").fill("Low tide.")
    share = author.get_by_role("button", name="Share")
    share.click()
    expect(author.get_by_role("status").filter(has_text="no connection")).to_be_visible()
    # What may be published already is not changed.
    expect(author.get_by_label("Caption")).to_be_disabled()
    share.click()
    expect(author.get_by_role("article")).to_contain_text("Low tide.")
    assert len(ada.home_ids()) == 1


def test_a_post_that_cannot_be_published_says_so_and_can_be_deleted(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    sending: Any = announce(ada, b"junk")
    body = {"caption": "Low tide.", "media": [sending["id"]]}
    assert ada.http.post("/api/v1/posts", json=body).status_code == 202
    send(ada, sending, b"junk")
    visit: Visitor = visitor(person=ada)
    visit.opens("/")
    failed = visit.page.get_by_role("alert")
    expect(failed).to_contain_text("This file cannot be read.")
    visit.page.get_by_role("button", name="Delete").click()
    expect(failed).to_have_count(0)
    assert ada.get("/posts/waiting")["results"] == []


def test_a_draft_stays_while_one_looks_at_other_pages(author: Page) -> None:
    expect(choose(author)).to_contain_text("Ready")
    author.get_by_label("Caption").fill("Low tide.")
    author.get_by_role("link", name="Search").click()
    author.get_by_role("link", name="New post").click()
    expect(author.get_by_label("Caption")).to_have_value("Low tide.")
    expect(author.get_by_role("listitem").filter(has_text="1 of 1")).to_contain_text("Ready")

"""What a page shows when an answer is slow, refused, or does not come."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import PATIENCE, Visitor
from tests.web.offline import waits_until_stored

HOME = re.compile(r"/api/v1/timeline/home")
LIKE = re.compile(r"/api/v1/posts/\d+/like$")
COMMENTS = re.compile(r"/api/v1/posts/\d+/comments$")


def too_many(route: Route) -> None:
    answer_too_many(route, wait=2)


def answer_too_many(route: Route, *, wait: int) -> None:
    route.fulfill(
        status=429,
        content_type="application/problem+json",
        headers={"Retry-After": str(wait)},
        body='{"type": "/problems/too-many-requests", "title": "Too Many Requests", "status": 429, '
        '"detail": "Too many requests."}',
    )


def refuse(route: Route) -> None:
    route.fulfill(
        status=403,
        content_type="application/problem+json",
        body='{"type": "/problems/forbidden", "title": "Forbidden", "status": 403, '
        '"detail": "Not this one."}',
    )


def test_a_page_that_does_not_come_can_be_asked_for_again(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    post = ada.post("Low tide.", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.page.route(HOME, lambda route: route.abort())
    reader.opens("/")
    expect(reader.page.get_by_role("alert")).to_contain_text("no connection")
    reader.page.unroute(HOME)
    reader.page.get_by_role("button", name="Try again").click()
    expect(reader.page.get_by_role("article")).to_contain_text(post["caption"])


def test_too_many_requests_tell_how_long_to_wait(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    reader = visitor(person=ada)
    reader.page.route(HOME, too_many)
    reader.opens("/")
    expect(reader.page.get_by_role("alert")).to_contain_text("Try again in 2 seconds")
    again = reader.page.get_by_role("button", name="Try again")
    expect(again).to_be_disabled()
    reader.page.unroute(HOME)
    expect(again).to_be_enabled()
    again.click()
    expect(reader.page.get_by_role("heading", name="Your home is still empty")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "wait", "told"),
    [
        ("en", 89, "in 89 seconds."),
        ("en", 90, "in 2 minutes."),
        ("en", 5400, "in 2 hours."),
        ("de", 43_200, "in 12 Stunden noch"),
    ],
)
def test_a_long_wait_is_told_in_minutes_or_hours(
    visitor: Callable[..., Visitor], ada: Person, language: str, wait: int, told: str
) -> None:
    reader = visitor(person=ada, language=language)
    reader.page.route(HOME, lambda route: answer_too_many(route, wait=wait))
    reader.opens("/")
    expect(reader.page.get_by_role("alert")).to_contain_text(told)


def test_a_like_shows_at_once_and_is_taken_back_when_refused(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    ada.post("Low tide.", jpeg_with_gps())
    reader = visitor(person=ada)
    waiting: list[Route] = []

    def keep(route: Route) -> None:
        waiting.append(route)

    reader.page.route(LIKE, keep)
    reader.opens("/")
    post = reader.page.get_by_role("article")
    with reader.page.expect_request(LIKE):
        post.get_by_role("button", name="Like").click()
    expect(post).to_contain_text("1 like")
    refuse(waiting.pop())
    expect(post).not_to_contain_text("1 like")
    expect(
        reader.page.get_by_role("status").filter(has_text="You may not do this.")
    ).to_be_visible()


def test_a_like_that_comes_too_soon_is_sent_again(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    post = ada.post("Low tide.", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.page.route(LIKE, too_many, times=1)
    reader.opens("/")
    with reader.page.expect_response(lambda answer: bool(LIKE.search(answer.url)) and answer.ok):
        reader.page.get_by_role("article").get_by_role("button", name="Like").click()
    assert ada.get(f"/posts/{post['id']}")["counts"]["likes"] == 1


def test_the_last_of_quick_likes_and_unlikes_is_what_stays(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    post = ada.post("Low tide.", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.opens("/")
    button = reader.page.get_by_role("article").get_by_role("button", name="Like")
    for _ in range(5):
        button.click()
    waits_until_stored(reader.page, 0)
    expect(button).to_have_attribute("aria-pressed", "true")
    assert ada.get(f"/posts/{post['id']}")["counts"]["likes"] == 1


def test_a_comment_that_is_refused_stays_in_its_field(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    ada.post("Low tide.", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.page.route(COMMENTS, refuse)
    reader.opens("/")
    field = reader.page.get_by_label("Add a comment")
    field.fill("Nobody else was up.")
    field.press("Enter")
    expect(field).to_have_value("Nobody else was up.")
    expect(reader.page.get_by_role("article").get_by_role("list").last).not_to_contain_text(
        "Nobody"
    )


def test_an_expired_access_token_is_refreshed_unseen(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    reader = visitor(person=ada)
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        token = route.request.headers.get("authorization", "")
        if not refused:
            refused.append(token)
            route.fulfill(status=401, content_type="application/problem+json", body="{}")
        else:
            assert token != refused[0]
            route.continue_()

    reader.page.route(HOME, refuse_once)
    reader.opens("/", "Your home is still empty")
    assert refused


def test_back_restores_the_page_and_its_place(visitor: Callable[..., Visitor], ada: Person) -> None:
    for number in range(8):
        ada.post(f"No. {number}", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.opens("/")
    reader.page.get_by_role("article").nth(5).scroll_into_view_if_needed()
    post = reader.page.get_by_role("article").filter(has_text="No. 2")
    link = post.get_by_role("link", name="Comment", exact=True)
    # A click scrolls first, so that nothing covers the link.
    link.click(trial=True)
    before = reader.page.evaluate("scrollY")
    assert before > 1000
    link.click()
    expect(reader.page.get_by_role("heading", name="Post", exact=True)).to_be_visible()
    reader.page.go_back()
    expect(post).to_be_in_viewport()
    wait_until(lambda: abs(reader.page.evaluate("scrollY") - before) < 10, PATIENCE / 1000)


def test_back_restores_a_profile_and_its_place(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    for number in range(30):
        ada.post(f"No. {number}", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.opens(f"/u/{ada.username}")
    last = reader.page.get_by_role("main").get_by_role("listitem").nth(29)
    # A click scrolls first, so that nothing covers the link.
    last.get_by_role("link").click(trial=True)
    before = reader.page.evaluate("scrollY")
    assert before > 300
    last.get_by_role("link").click()
    expect(reader.page.get_by_role("heading", name="Post", exact=True)).to_be_visible()
    reader.page.go_back()
    expect(last).to_be_in_viewport()
    wait_until(lambda: abs(reader.page.evaluate("scrollY") - before) < 10, PATIENCE / 1000)


@pytest.mark.parametrize("path", ["/u/%FF", "/p/1", "/u/nobody_has_this_name"])
def test_an_address_of_nothing_says_so(
    visitor: Callable[..., Visitor], ada: Person, path: str
) -> None:
    reader = visitor(person=ada)
    reader.opens(path, "There is nothing here")


def test_an_answer_of_somebody_else_is_no_answer(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    """Such as the page of a network where one has to pay first."""
    reader = visitor(person=ada)
    page = "<html>Welcome to our hotel</html>"
    reader.page.route(HOME, lambda route: route.fulfill(content_type="text/html", body=page))
    reader.opens("/")
    expect(reader.page.get_by_role("alert")).to_contain_text("no connection")

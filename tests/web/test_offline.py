"""Without the network: home can be read, and what the reader does arrives later, exactly once."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Request, Response, Route, expect

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import PATIENCE, Visitor
from tests.web.offline import (
    COMMENTS,
    LIKE,
    OFFLINE,
    UNSENT,
    article,
    comment,
    comments,
    goes_offline,
    is_back,
    like,
    likes,
    waits_until_stored,
)
from tests.web.test_screens import violations

# The only action in the queue was sent longer ago than the server knows its key.
SENT_A_DAY_EARLIER = """() => new Promise((resolve) => {
    indexedDB.open("socialfeed").onsuccess = ({ target: { result: database } }) => {
        const work = database.transaction("actions", "readwrite");
        const actions = work.objectStore("actions");
        actions.getAll().onsuccess = ({ target: { result: [action] } }) =>
            actions.put({ ...action, sentAt: action.sentAt - 24 * 3600 * 1000 });
        work.oncomplete = () => {
            database.close();
            resolve();
        };
    };
})"""

# The database as its first version was, with a like that was not sent.
FIRST_VERSION = """([id, post]) => new Promise((resolve) => {
    const asked = indexedDB.open("socialfeed", 1);
    asked.onupgradeneeded = () => {
        asked.result.createObjectStore("readers", { keyPath: "id" }).add({ id });
        asked.result.createObjectStore("homes");
        const options = { keyPath: "number", autoIncrement: true };
        const actions = asked.result.createObjectStore("actions", options);
        actions.createIndex("about", "about", { unique: true });
        const about = `like post ${post}`;
        actions.add({ kind: "like post", of: post, wish: true, key: "of an older release", about });
    };
    asked.onsuccess = () => {
        asked.result.close();
        resolve();
    };
})"""


def test_home_can_be_read_offline_and_is_refreshed_afterwards(
    reader: Visitor, bea: Person, post: Any
) -> None:
    page = reader.page
    goes_offline(reader)
    page.reload()
    expect(article(page)).to_contain_text(post["caption"])
    expect(page.get_by_role("status").filter(has_text=OFFLINE)).to_be_visible()
    # The browser still has the picture, which never changes.
    picture = article(page).locator("picture img")
    wait_until(lambda: picture.evaluate("image => image.naturalWidth") > 0, PATIENCE / 1000)
    bea.post("High tide.", jpeg_with_gps())
    is_back(reader)
    expect(article(page).first).to_contain_text("High tide.")
    expect(article(page)).to_have_count(2)
    expect(page.get_by_text(OFFLINE)).to_have_count(0)


def test_a_server_that_does_not_answer_is_asked_again(reader: Visitor, bea: Person) -> None:
    """The browser has a network, so it tells of no change."""
    page = reader.page
    page.route("**/api/v1/timeline/home*", lambda route: route.abort())
    page.reload()
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    bea.post("High tide.", jpeg_with_gps())
    page.unroute("**/api/v1/timeline/home*")
    page.get_by_role("button", name="Refresh").click()
    expect(article(page).first).to_contain_text("High tide.")
    expect(page.get_by_text(OFFLINE)).to_have_count(0)


def test_what_is_done_offline_arrives_once_and_in_order(
    reader: Visitor, ada: Person, post: Any
) -> None:
    page = reader.page
    goes_offline(reader)
    for _ in range(3):
        like(page).click()
    comment(page, "Nobody else was up.")
    comment(page, "But the gulls.")
    waits_until_stored(page, 3)
    expect(article(page).get_by_text(UNSENT).last).to_be_visible()
    assert violations(page) == []
    for _ in range(2):
        expect(article(page)).to_contain_text("1 like")
        expect(article(page).get_by_text(UNSENT)).to_have_count(2)
        # It outlives the page.
        page.reload()
    assert (likes(ada, post), comments(ada, post)) == (0, [])
    is_back(reader)
    expect(article(page).get_by_text(UNSENT)).to_have_count(0)
    expect(article(page)).to_contain_text("But the gulls.")
    waits_until_stored(page, 0)
    assert likes(ada, post) == 1
    said = [(ada.username, "Nobody else was up."), (ada.username, "But the gulls.")]
    assert comments(ada, post) == said
    page.reload()
    expect(article(page)).to_contain_text("1 like")
    expect(article(page)).to_contain_text("But the gulls.")
    assert comments(ada, post) == said


def test_the_last_wish_counts(reader: Visitor, ada: Person, post: Any) -> None:
    page = reader.page
    sent: list[str] = []

    def note(answer: Response) -> None:
        if LIKE.search(answer.url):
            sent.append(answer.request.method)

    page.on("response", note)
    goes_offline(reader)
    like(page).click()
    like(page).click()
    expect(like(page)).to_have_attribute("aria-pressed", "false")
    waits_until_stored(page, 1)
    is_back(reader)
    waits_until_stored(page, 0)
    assert sent == ["DELETE"]
    assert likes(ada, post) == 0


def test_likes_of_comments_replies_and_follows_arrive_later(
    reader: Visitor, ada: Person, bea: Person, post: Any
) -> None:
    first = bea.comment(post, "Nobody else was up.")
    page = reader.page
    reader.opens(f"/p/{post['id']}", "Post")
    item = page.get_by_role("listitem").filter(has_text=first["text"]).first
    expect(item).to_be_visible()
    goes_offline(reader)
    item.get_by_role("button", name="Like").click()
    expect(item).to_contain_text("1 like")
    item.get_by_role("button", name="Reply").click()
    item.get_by_label(f"Reply to {bea.username}").fill("But the gulls.")
    item.get_by_label(f"Reply to {bea.username}").press("Enter")
    expect(item.get_by_text(UNSENT)).to_be_visible()
    is_back(reader)
    expect(item.get_by_text(UNSENT)).to_have_count(0)
    expect(item).to_contain_text("But the gulls.")
    assert ada.get(f"/comments/{first['id']}")["counts"] == {"likes": 1, "replies": 1}

    reader.opens(f"/u/{bea.username}")
    button = page.get_by_role("button", name="Follow")
    expect(button).to_have_attribute("aria-pressed", "true")
    goes_offline(reader)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert ada.get(f"/users/{bea.username}")["viewer"]["following"]
    is_back(reader)
    expect(page.get_by_text("0 followers", exact=True)).to_be_visible()
    assert not ada.get(f"/users/{bea.username}")["viewer"]["following"]
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_comment_arrives_once_though_its_answer_was_lost(
    reader: Visitor, ada: Person, post: Any
) -> None:
    page = reader.page
    keys: list[str | None] = []

    def lose_the_first(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        keys.append(route.request.header_value("Idempotency-Key"))
        if len(keys) > 1:
            return route.continue_()
        assert route.fetch().status == 201
        return route.abort()

    page.route(COMMENTS, lose_the_first)
    comment(page, "Nobody else was up.")
    expect(article(page)).to_contain_text("Nobody else was up.")
    expect(article(page).get_by_text(UNSENT)).to_have_count(0)
    waits_until_stored(page, 0)
    assert (len(keys), len(set(keys))) == (2, 1)
    assert comments(ada, post) == [(ada.username, "Nobody else was up.")]
    expect(article(page).get_by_role("list").last.get_by_role("listitem")).to_have_count(1)


@pytest.mark.parametrize("has_arrived", [True, False])
def test_a_comment_arrives_once_though_the_server_has_forgotten_its_key(
    reader: Visitor, ada: Person, post: Any, has_arrived: bool
) -> None:
    page = reader.page
    sent: list[str] = []

    def note(request: Request) -> None:
        if COMMENTS.search(request.url.partition("?")[0]):
            sent.append(request.method)

    def lose(route: Route) -> None:
        if has_arrived and len(sent) == 1:
            assert route.fetch().status == 201
        route.abort()

    page.on("request", note)
    page.route(COMMENTS, lose)
    with page.expect_event("requestfailed"):
        comment(page, "Nobody else was up.")
    page.evaluate(SENT_A_DAY_EARLIER)
    page.unroute(COMMENTS)
    expect(article(page)).to_contain_text("Nobody else was up.")
    expect(article(page).get_by_text(UNSENT)).to_have_count(0)
    last = ["GET"] if has_arrived else ["GET", "POST"]
    assert sent[-len(last) :] == last
    assert comments(ada, post) == [(ada.username, "Nobody else was up.")]


def test_an_action_on_which_the_server_fails_holds_up_no_other(
    reader: Visitor, ada: Person, post: Any
) -> None:
    other = reader.new_tab().page
    other.goto(f"/u/{post['author']['username']}")
    page = reader.page
    page.context.route(COMMENTS, lambda route: route.fulfill(status=500, json={}))
    with page.expect_response(COMMENTS):
        comment(page, "Nobody else was up.")
    other.get_by_role("button", name="Follow").click()
    expect(other.get_by_text("0 followers", exact=True)).to_be_visible()
    expect(article(page).get_by_text(UNSENT)).to_be_visible()
    page.context.unroute(COMMENTS)
    expect(article(page).get_by_text(UNSENT)).to_have_count(0)
    assert comments(ada, post) == [(ada.username, "Nobody else was up.")]


def test_two_tabs_send_each_action_once(reader: Visitor, ada: Person, post: Any) -> None:
    other = reader.new_tab().page
    other.goto("/")
    expect(article(other)).to_be_visible()
    answered: list[str] = []

    def note(answer: Response) -> None:
        if COMMENTS.search(answer.url):
            answered.append(answer.request.method)

    other.context.on("response", note)
    goes_offline(reader)
    comment(reader.page, "Nobody else was up.")
    expect(article(reader.page).get_by_text(UNSENT)).to_be_visible()
    comment(other, "But the gulls.")
    expect(article(other).get_by_text(UNSENT).last).to_be_visible()
    is_back(reader)
    for page in (reader.page, other):
        expect(article(page)).to_contain_text("But the gulls.")
        expect(article(page)).to_contain_text("Nobody else was up.")
        expect(article(page).get_by_text(UNSENT)).to_have_count(0)
    assert answered == ["POST", "POST"]
    assert [text for _, text in comments(ada, post)] == ["Nobody else was up.", "But the gulls."]


def test_what_is_refused_later_is_taken_back(reader: Visitor, bea: Person, post: Any) -> None:
    page = reader.page
    goes_offline(reader)
    comment(page, "Nobody else was up.")
    waits_until_stored(page, 1)
    page.reload()
    expect(article(page).get_by_text(UNSENT)).to_be_visible()
    assert bea.http.delete(f"/api/v1/posts/{post['id']}").status_code == 204
    is_back(reader)
    told = page.get_by_role("status").filter(has_text="“Nobody else was up.” was not sent")
    expect(told).to_be_visible()
    waits_until_stored(page, 0)


def test_a_browser_that_stores_nothing_shows_the_client(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    post = ada.post("Low tide.", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.page.add_init_script(
        """indexedDB.open = () => { throw new DOMException("", "SecurityError"); };
        navigator.serviceWorker.register = () => Promise.reject(new DOMException());"""
    )
    reader.opens("/")
    like(reader.page).click()
    comment(reader.page, "Nobody else was up.")
    expect(article(reader.page)).to_contain_text("1 like")
    wait_until(lambda: likes(ada, post) == 1, PATIENCE / 1000)
    wait_until(lambda: len(comments(ada, post)) == 1, PATIENCE / 1000)


def test_what_an_older_release_has_stored_is_sent(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    post = ada.post("Low tide.", jpeg_with_gps())
    reader = visitor(person=ada)
    # A page of the same origin that opens no database.
    reader.page.goto("/developers/")
    reader.page.evaluate(FIRST_VERSION, [ada.id, post["id"]])
    reader.opens("/")
    expect(article(reader.page)).to_contain_text("1 like")
    waits_until_stored(reader.page, 0)
    assert likes(ada, post) == 1

"""Without the network: home can be read, and what the reader does arrives later, exactly once."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Error, Locator, Page, Request, Route, expect

from core.files import etag_of
from devstack.lifecycle import Stack
from operations.web_client import published_folder
from tests.deploy.test_web_client import OF_THE_API, PAGES
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import PATIENCE, Visitor, cached_files, give_session, stored_rows

COMMENTS = re.compile(r"/api/v1/posts/\d+/comments$")
LIKE = re.compile(r"/api/v1/posts/\d+/like$")
OFFLINE = "You are offline"
UNSENT = "not sent yet"
NOTHING: dict[str, list[Any]] = {"readers": [], "homes": [], "actions": []}


@pytest.fixture
def bea(signed_up: Callable[[str], Person]) -> Person:
    return signed_up("bea")


@pytest.fixture
def post(ada: Person, bea: Person) -> Any:
    """A post of bea's, whom ada follows."""
    ada.follow(bea)
    return bea.post("Low tide.", jpeg_with_gps())


@pytest.fixture
def reader(visitor: Callable[..., Visitor], ada: Person, post: Any) -> Visitor:
    """ada at home, where the post is; all that she needs for a visit offline is stored."""
    reader = visitor(person=ada)
    reader.opens("/")
    expect(reader.page.get_by_role("article")).to_contain_text(post["caption"])
    reader.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    wait_until(lambda: bool(stored_rows(reader.page).get("homes")), PATIENCE / 1000)
    return reader


def goes_offline(reader: Visitor) -> None:
    reader.page.context.set_offline(True)


def is_back(reader: Visitor) -> None:
    reader.page.context.set_offline(False)


def article(page: Page) -> Locator:
    return page.get_by_role("article")


def comment(page: Page, text: str) -> None:
    field = article(page).get_by_label("Add a comment")
    field.fill(text)
    field.press("Enter")


def like(page: Page) -> Locator:
    return article(page).get_by_role("button", name="Like")


def comments(person: Person, post: Any) -> list[tuple[str, str]]:
    """Who wrote what about a post, oldest first."""
    page = person.get(f"/posts/{post['id']}/comments", order="oldest")
    return [(one["author"]["username"], one["text"]) for one in page["results"]]


def likes(person: Person, post: Any) -> int:
    """How many like a post."""
    number: int = person.get(f"/posts/{post['id']}")["counts"]["likes"]
    return number


def waits_until_stored(page: Page, number: int) -> None:
    """Wait until so many actions are in the queue."""
    wait_until(lambda: len(stored_rows(page)["actions"]) == number, PATIENCE / 1000)


def is_empty(page: Page) -> bool:
    """Whether nothing is stored of any reader."""
    return stored_rows(page) == NOTHING


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

    def note(request: Request) -> None:
        if LIKE.search(request.url):
            sent.append(request.method)

    page.on("request", note)
    goes_offline(reader)
    like(page).click()
    like(page).click()
    expect(like(page)).to_have_attribute("aria-pressed", "false")
    waits_until_stored(page, 1)
    sent.clear()
    with page.expect_response(LIKE):
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
    waits_until_stored(page, 0)
    assert (len(keys), len(set(keys))) == (2, 1)
    assert comments(ada, post) == [(ada.username, "Nobody else was up.")]
    expect(article(page).get_by_role("list").last.get_by_role("listitem")).to_have_count(1)


def test_two_tabs_send_each_action_once(reader: Visitor, ada: Person, post: Any) -> None:
    other = reader.page.context.new_page()
    other.goto("/")
    expect(article(other)).to_be_visible()
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


def test_a_log_out_leaves_nothing(reader: Visitor, ada: Person, bea: Person, post: Any) -> None:
    page = reader.page
    page.route(LIKE, lambda route: route.abort())
    like(page).click()
    waits_until_stored(page, 1)
    reader.opens("/settings", "Settings")
    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert is_empty(page)
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    files = cached_files(page)
    assert "/" in files
    for path, content in files.items():
        assert path == "/" or path.startswith("/assets/")
        assert ada.username not in content
    # Nor is there anything to be seen offline.
    goes_offline(reader)
    page.goto("/")
    expect(page.get_by_role("alert")).to_contain_text("no connection")
    assert likes(bea, post) == 0


def test_a_session_that_ended_leaves_nothing(reader: Visitor, ada: Person) -> None:
    page = reader.page
    goes_offline(reader)
    comment(page, "Nobody else was up.")
    waits_until_stored(page, 1)
    page.reload()
    expect(article(page).get_by_text(UNSENT)).to_be_visible()
    ada.http.delete("/_allauth/app/v1/auth/session")
    is_back(reader)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert is_empty(page)


def test_actions_of_one_reader_are_not_sent_as_another(
    reader: Visitor, ada: Person, bea: Person, post: Any, stack: Stack
) -> None:
    page = reader.page
    goes_offline(reader)
    like(page).click()
    comment(page, "Nobody else was up.")
    waits_until_stored(page, 2)
    page.close()
    # bea has logged in meanwhile, and this browser was told of no log-out.
    give_session(page.context, bea, stack.layout.public_origin)
    is_back(reader)
    page = page.context.new_page()
    page.goto("/")
    expect(article(page)).to_contain_text(post["caption"])
    page.wait_for_load_state("networkidle")
    rows = stored_rows(page)
    assert [me["username"] for me in rows["readers"]] == [bea.username]
    assert rows["actions"] == []
    assert ada.username not in json.dumps(rows)
    assert (likes(ada, post), comments(ada, post)) == (0, [])


def test_a_page_of_one_reader_takes_no_token_of_another(
    reader: Visitor, ada: Person, bea: Person, post: Any, stack: Stack
) -> None:
    page = reader.page
    give_session(page.context, bea, stack.layout.public_origin)
    # Her token has expired: the next one is bea's.
    page.route(LIKE, lambda route: route.fulfill(status=401, json={}))
    with page.expect_event("load"):
        like(page).click()
    page.unroute(LIKE)
    expect(article(page)).to_contain_text(post["caption"])
    page.wait_for_load_state("networkidle")
    assert [me["username"] for me in stored_rows(page)["readers"]] == [bea.username]
    assert likes(ada, post) == 0


def test_the_worker_answers_the_pages_of_the_client_and_no_others(reader: Visitor) -> None:
    page = reader.page
    for path in OF_THE_API:
        answer = page.goto(path)
        assert answer
        assert not answer.from_service_worker, path
    assert all(path == "/" or path.startswith("/assets/") for path in cached_files(page))
    goes_offline(reader)
    for path in PAGES:
        answer = page.goto(path)
        assert answer
        assert answer.from_service_worker, path
    with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
        page.goto("/developers/")


@contextmanager
def new_release(folder: Path) -> Iterator[str]:
    """Publish another build, whose page names another script. Gives the script's path."""
    index, etag = folder / "index.html", folder / "index.html.etag"
    content, old_etag = index.read_bytes(), etag.read_bytes()
    (name,) = re.findall(rb'<script[^>]* src="/(assets/index-[^"]+)"', content)
    new = name.replace(b"index-", b"index-new-")
    script = folder / new.decode()
    script.write_bytes((folder / name.decode()).read_bytes())
    page = content.replace(name, new)
    index.write_bytes(page)
    etag.write_text(str(etag_of(page)))
    try:
        yield f"/{new.decode()}"
    finally:
        index.write_bytes(content)
        etag.write_bytes(old_etag)
        script.unlink()


def test_a_new_release_replaces_the_old_one_at_the_second_visit(reader: Visitor) -> None:
    page = reader.page
    started = "document.querySelector('script[type=module]').getAttribute('src')"
    old = page.evaluate(started)
    assert old in cached_files(page)
    with new_release(published_folder()) as new:
        page.reload()
        assert page.evaluate(started) == old
        wait_until(lambda: old not in cached_files(page), PATIENCE / 1000)
        assert new in cached_files(page)
        # The page that is open goes on.
        page.get_by_role("link", name="Search").click()
        expect(page.get_by_label("Search people")).to_be_visible()
        goes_offline(reader)
        reader.opens("/")
        assert page.evaluate(started) == new
        expect(article(page)).to_be_visible()


def test_the_client_can_be_installed(reader: Visitor, stack: Stack) -> None:
    session = reader.page.context.new_cdp_session(reader.page)
    found = session.send("Page.getAppManifest")
    assert found["errors"] == []
    manifest = json.loads(found["data"])
    assert (manifest["start_url"], manifest["scope"]) == ("/", "/")
    icons = {icon["src"]: icon["type"] for icon in manifest["icons"]}
    for path, content_type in icons.items():
        answer = httpx.get(stack.layout.public_origin + path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)


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

"""A draft of a new post outlives the page, belongs to one person, and ends when it is to end."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Request, Route, expect

from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import DESKTOP, PATIENCE, PHONE, Visitor, give_session, screenshot
from tests.web.offline import stored_rows
from tests.web.test_new_post import ANNOUNCED, POSTS, picture
from tests.web.test_offline_readers import is_empty
from tests.web.test_screens import violations

NOT_STORED = "no room to store this file"
LOST = "not uploaded and is not stored here"


@pytest.fixture
def author(visitor: Callable[..., Visitor], ada: Person) -> Page:
    """The page of a new post."""
    visit: Visitor = visitor(person=ada)
    visit.opens("/new", "New post")
    return visit.page


def choose(page: Page, *names: str) -> None:
    """Choose pictures of these names."""
    files: list[FilePayload] = [{**picture(), "name": name} for name in names]
    page.get_by_label("Choose pictures and videos").set_input_files(files)


def item(page: Page, place: str) -> Locator:
    """A file by its place, such as "1 of 2"."""
    return page.get_by_role("listitem").filter(has_text=place)


def caption(page: Page) -> Locator:
    return page.get_by_label("Caption")


def is_seen(picture: Locator) -> None:
    """Wait until a picture is decoded."""
    wait_until(lambda: picture.evaluate("image => image.naturalWidth") > 0, PATIENCE / 1000)


def waits_for_stored(page: Page, *, drafts: int, files: int) -> None:
    """Wait until so many drafts and files are stored."""

    def is_so() -> bool:
        rows = stored_rows(page)
        return (len(rows["drafts"]), len(rows["files"])) == (drafts, files)

    wait_until(is_so, PATIENCE / 1000)


def waits_for_caption(page: Page, text: str) -> None:
    """Wait until a draft with this caption is stored."""
    wait_until(
        lambda: text in [one["caption"] for one in stored_rows(page)["drafts"]], PATIENCE / 1000
    )


def another_tab(page: Page) -> Page:
    tab = page.context.new_page()
    tab.goto("/new")
    expect(tab.get_by_role("heading", name="New post")).to_be_visible()
    return tab


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_draft_survives_a_reload(
    visitor: Callable[..., Visitor], ada: Person, window: Any
) -> None:
    visit = visitor(person=ada, viewport=window)
    visit.opens("/new", "New post")
    page = visit.page
    choose(page, "tide.jpg", "gulls.jpg")
    for place in ("1 of 2", "2 of 2"):
        expect(item(page, place)).to_contain_text("Ready")
    item(page, "2 of 2").get_by_label("What does it show?").fill("Two gulls.")
    item(page, "2 of 2").get_by_role("button", name="Move earlier").click()
    caption(page).fill("Low tide.")
    waits_for_caption(page, "Low tide.")
    waits_for_stored(page, drafts=1, files=2)
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method in ("POST", "PUT") and "/tokens/refresh" not in request.url:
            sent.append(request.url)

    page.on("request", note)
    page.reload()
    expect(caption(page)).to_have_value("Low tide.")
    first, second = item(page, "1 of 2"), item(page, "2 of 2")
    expect(first).to_contain_text("gulls.jpg")
    expect(second).to_contain_text("tide.jpg")
    expect(first.get_by_label("What does it show?")).to_have_value("Two gulls.")
    for one in (first, second):
        expect(one).to_contain_text("Ready")
        is_seen(one.locator("img"))
    assert violations(page) == []
    screenshot(page, f"draft-{'phone' if window is PHONE else 'desktop'}")
    assert sent == []

    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("article")).to_contain_text("Low tide.")
    [post] = ada.get("/timeline/home")["results"]
    assert [one["alt"] for one in post["media"]] == ["Two gulls.", ""]
    waits_for_stored(page, drafts=0, files=0)
    page.goto("/new")
    expect(caption(page)).to_have_value("")
    expect(page.get_by_role("button", name="Discard")).to_have_count(0)


def test_a_file_that_was_not_sent_survives_a_closed_tab(author: Page, ada: Person) -> None:
    author.context.route(ANNOUNCED, lambda route: route.abort())
    choose(author, "tide.jpg")
    expect(item(author, "1 of 1")).to_contain_text("no connection")
    waits_for_stored(author, drafts=1, files=1)
    author.close()
    author.context.unroute(ANNOUNCED)
    page = another_tab(author)
    expect(item(page, "1 of 1")).to_contain_text("Ready")
    is_seen(item(page, "1 of 1").locator("img"))
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("article")).to_be_visible()
    assert len(ada.home_ids()) == 1


def test_a_draft_that_is_discarded_is_gone(author: Page, ada: Person) -> None:
    with author.expect_response(ANNOUNCED) as announced:
        choose(author, "tide.jpg")
    media = announced.value.json()["id"]
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    caption(author).fill("Low tide.")
    author.once("dialog", lambda dialog: dialog.dismiss())
    author.get_by_role("button", name="Discard").click()
    expect(caption(author)).to_have_value("Low tide.")
    author.once("dialog", lambda dialog: dialog.accept())
    author.get_by_role("button", name="Discard").click()
    expect(caption(author)).to_have_value("")
    waits_for_stored(author, drafts=0, files=0)
    wait_until(lambda: ada.http.get(f"/api/v1/media/{media}").status_code == 404, PATIENCE / 1000)
    author.reload()
    expect(caption(author)).to_have_value("")
    expect(author.get_by_role("listitem").filter(has_text="tide.jpg")).to_have_count(0)


def test_a_file_that_is_removed_is_not_stored_any_more(author: Page) -> None:
    choose(author, "tide.jpg", "gulls.jpg")
    waits_for_stored(author, drafts=1, files=2)
    item(author, "1 of 2").get_by_role("button", name="Remove").click()
    waits_for_stored(author, drafts=1, files=1)
    item(author, "1 of 1").get_by_role("button", name="Remove").click()
    waits_for_stored(author, drafts=0, files=0)


def test_a_log_out_ends_drafts_in_all_tabs(author: Page) -> None:
    choose(author, "tide.jpg")
    other = another_tab(author)
    caption(other).fill("High tide.")
    waits_for_caption(other, "High tide.")
    waits_for_stored(author, drafts=2, files=1)
    other.goto("/settings")
    other.get_by_role("button", name="Log out", exact=True).click()
    for page in (author, other):
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        assert is_empty(page)
        assert page.evaluate("sessionStorage.length") == 0


def test_a_draft_is_not_shown_to_somebody_else(author: Page, bea: Person, stack: Stack) -> None:
    choose(author, "tide.jpg")
    caption(author).fill("Low tide.")
    waits_for_caption(author, "Low tide.")
    waits_for_stored(author, drafts=1, files=1)
    author.close()
    # bea has logged in meanwhile, and this browser was told of no log-out.
    give_session(author.context, bea, stack.layout.public_origin)
    page = another_tab(author)
    wait_until(
        lambda: [me["username"] for me in stored_rows(page)["readers"]] == [bea.username],
        PATIENCE / 1000,
    )
    rows = stored_rows(page)
    assert (rows["drafts"], rows["files"]) == ([], [])
    expect(caption(page)).to_have_value("")
    expect(page.get_by_role("button", name="Discard")).to_have_count(0)


def test_each_tab_has_a_draft_of_its_own(author: Page) -> None:
    choose(author, "tide.jpg")
    caption(author).fill("Low tide.")
    waits_for_caption(author, "Low tide.")
    waits_for_stored(author, drafts=1, files=1)
    other = another_tab(author)
    expect(caption(other)).to_have_value("")
    caption(other).fill("High tide.")
    waits_for_caption(other, "High tide.")
    for _ in range(2):
        expect(caption(author)).to_have_value("Low tide.")
        expect(caption(other)).to_have_value("High tide.")
        author.reload()
        other.reload()
    # The draft of a tab that was closed comes back, in one tab only.
    author.close()
    third, fourth = another_tab(other), another_tab(other)
    wait_until(
        lambda: (
            sorted(caption(page).input_value() for page in (third, fourth)) == ["", "Low tide."]
        ),
        PATIENCE / 1000,
    )
    expect(caption(other)).to_have_value("High tide.")


def test_a_post_whose_answer_was_lost_with_the_page_is_published_once(
    author: Page, ada: Person
) -> None:
    choose(author, "tide.jpg")
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    caption(author).fill("Low tide.")

    def lose_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    author.route(POSTS, lose_answer, times=1)
    author.get_by_role("button", name="Share").click()
    expect(author.get_by_role("status").filter(has_text="no connection")).to_be_visible()
    author.reload()
    # What may be published already is not changed.
    expect(caption(author)).to_have_value("Low tide.")
    expect(caption(author)).to_be_disabled()
    author.get_by_role("button", name="Share").click()
    expect(author.get_by_role("article")).to_contain_text("Low tide.")
    assert len(ada.home_ids()) == 1
    waits_for_stored(author, drafts=0, files=0)


def test_a_file_for_which_there_is_no_room_is_told_and_goes_on(
    visitor: Callable[..., Visitor], ada: Person, stack: Stack
) -> None:
    visit = visitor(person=ada)
    author = visit.page
    # Before the page asks: browsers remember for a while how much room there is.
    quota = {"origin": stack.layout.public_origin, "quotaSize": 3_000_000}
    author.context.new_cdp_session(author).send("Storage.overrideQuotaForOrigin", quota)
    visit.opens("/new", "New post")
    caption(author).fill("Low tide.")
    waits_for_caption(author, "Low tide.")
    author.route(ANNOUNCED, lambda route: route.abort())
    large: FilePayload = {**picture(), "buffer": jpeg_with_gps() + bytes(6_000_000)}
    author.get_by_label("Choose pictures and videos").set_input_files(large)
    told = item(author, "1 of 1").get_by_role("status").filter(has_text=NOT_STORED)
    expect(told).to_be_visible()
    assert violations(author) == []
    screenshot(author, "draft-no-room-phone")

    author.reload()
    expect(caption(author)).to_have_value("Low tide.")
    expect(item(author, "1 of 1")).to_contain_text(LOST)
    screenshot(author, "draft-lost-phone")
    item(author, "1 of 1").get_by_role("button", name="Remove").click()

    author.get_by_label("Choose pictures and videos").set_input_files(large)
    expect(told).to_be_visible()
    author.unroute(ANNOUNCED)
    item(author, "1 of 1").get_by_role("button", name="Try again").click()
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    expect(told).to_have_count(0)


def test_a_browser_that_stores_nothing_says_so(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    visit = visitor(person=ada)
    visit.page.add_init_script(
        'indexedDB.open = () => { throw new DOMException("", "SecurityError"); };'
    )
    visit.opens("/new", "New post")
    page = visit.page
    choose(page, "tide.jpg")
    told = page.get_by_role("status").filter(has_text=re.compile("cannot store your draft"))
    expect(told).to_be_visible()
    expect(item(page, "1 of 1")).to_contain_text("Ready")
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("article")).to_be_visible()

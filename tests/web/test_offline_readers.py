"""What the browser stores for one reader is neither shown to another nor done in their name."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.web.browsing import Visitor, give_session, hold
from tests.web.offline import (
    LIKE,
    UNSENT,
    article,
    cached_files,
    comment,
    comments,
    goes_offline,
    is_back,
    like,
    likes,
    stored_rows,
    waits_until_stored,
)

NOTHING: dict[str, list[Any]] = {
    name: [] for name in ("readers", "homes", "actions", "pauses", "drafts", "files")
}


def is_empty(page: Page) -> bool:
    """Whether nothing is stored of any reader."""
    return stored_rows(page) == NOTHING


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


def test_a_session_that_ended_before_the_client_has_loaded_leaves_nothing(
    reader: Visitor, ada: Person
) -> None:
    page = reader.page
    assert stored_rows(page)["readers"]
    ada.http.delete("/_allauth/app/v1/auth/session")
    held = hold(page, "**/assets/start-*.js")
    # The stored shell would be faster than the network.
    page.evaluate(
        "navigator.serviceWorker.getRegistrations()"
        ".then((all) => Promise.all(all.map((one) => one.unregister())))"
    )
    with page.expect_response("**/_allauth/app/v1/tokens/refresh") as refused:
        page.goto("/", wait_until="commit")
    assert refused.value.status in {400, 401}
    page.evaluate("null")  # Playwright takes requests in while it is used
    assert held
    for route in held:
        route.continue_()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    wait_until(lambda: is_empty(page))


def test_a_session_that_ends_while_the_client_loads_leads_to_the_log_in(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    page = visitor(person=ada).page
    held, homes = hold(page, "**/assets/start-*.js"), hold(page, "**/api/v1/timeline/home")
    page.goto("/", wait_until="commit")
    # Playwright takes requests in while it is used.
    wait_until(lambda: page.evaluate("null") is None and bool(held and homes))
    ada.http.delete("/_allauth/app/v1/auth/session")
    with page.expect_response("**/_allauth/app/v1/tokens/refresh") as refused:
        homes[0].continue_()  # it is refused, so the token is exchanged once more
    assert refused.value.status in {400, 401}
    for route in held:
        route.continue_()
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
    page = reader.new_tab().page
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

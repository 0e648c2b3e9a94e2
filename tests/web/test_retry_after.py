"""When the server asks to wait, no tab sends anything meanwhile."""

import time

import pytest
from playwright.sync_api import Route, expect

from tests.support.client import Person, wait_until
from tests.web.browsing import PATIENCE, Visitor
from tests.web.offline import (
    COMMENTS,
    LIKE,
    UNSENT,
    article,
    comment,
    comments,
    like,
    likes,
    stored_rows,
    waits_until_stored,
)

SECONDS = 6


@pytest.mark.parametrize("status", [429, 503])
def test_all_tabs_wait_as_long_as_the_server_asks(
    reader: Visitor, ada: Person, post: dict[str, str], status: int
) -> None:
    page = reader.page
    sent: list[float] = []

    def refuse_the_first(route: Route) -> None:
        if route.request.method == "GET":
            return route.continue_()
        sent.append(time.monotonic())
        if len(sent) > 1:
            return route.continue_()
        return route.fulfill(status=status, headers={"Retry-After": str(SECONDS)}, json={})

    page.context.route(LIKE, refuse_the_first)
    page.context.route(COMMENTS, refuse_the_first)
    like(page).click()
    wait_until(lambda: len(stored_rows(page)["pauses"]) == 1, PATIENCE / 1000)
    # What is done in another tab waits too, also when a page starts.
    other = page.context.new_page()
    other.goto("/")
    comment(other, "Nobody else was up.")
    expect(article(other).get_by_text(UNSENT)).to_be_visible()
    waits_until_stored(page, 2)
    page.reload()
    expect(article(page).get_by_text(UNSENT)).to_be_visible()
    assert len(sent) == 1
    assert time.monotonic() - sent[0] < SECONDS, "the machine is too busy for this test"
    for tab in (page, other):
        expect(article(tab).get_by_text(UNSENT)).to_have_count(0)
    waits_until_stored(page, 0)
    assert sent[1] - sent[0] > SECONDS - 0.1
    assert len(sent) == 3
    assert likes(ada, post) == 1
    assert comments(ada, post) == [(ada.username, "Nobody else was up.")]

"""Fixtures of the web client's tests: a browser, and visitors."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.fixtures import fresh_login_limits, signed_up
from tests.support.images import jpeg_with_gps
from tests.web.browsing import NO_BROWSER, PATIENCE, Visitor, find_browser, visit
from tests.web.offline import article, stored_rows

__all__ = ["fresh_login_limits", "signed_up"]


# Of one module: while it runs, Django takes this thread for one with an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser; without one, the tests that need it are skipped, and say so."""
    path = find_browser()
    if path is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path)
        yield running
        running.close()


@pytest.fixture
def visitor(browser: Browser, stack: Stack) -> Iterator[Callable[..., Visitor]]:
    """A function that makes a visitor; takes the options of `visit`."""
    with ExitStack() as visits:
        yield lambda **options: visits.enter_context(
            visit(browser, stack.layout.public_origin, **options)
        )


@pytest.fixture
def ada(signed_up: Callable[[str], Person]) -> Person:
    return signed_up("ada")


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
    expect(article(reader.page)).to_contain_text(post["caption"])
    reader.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    wait_until(lambda: bool(stored_rows(reader.page).get("homes")), PATIENCE / 1000)
    return reader


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say plainly if the web client was not tested."""
    if any(NO_BROWSER in str(report.longrepr) for report in terminalreporter.getreports("skipped")):
        terminalreporter.write_line(NO_BROWSER, yellow=True)

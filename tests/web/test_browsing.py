"""The tests notice what any tab complains about."""

import pytest
from playwright.sync_api import Browser

from devstack.lifecycle import Stack
from tests.web.browsing import visit

COMPLAINTS = {
    "an error": ("setTimeout(() => { throw new Error('Low tide.') })", "Low tide"),
    "the policy": (
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')",
        "Content Security Policy",
    ),
}


def complain(browser: Browser, origin: str, script: str, *, is_second: bool) -> None:
    """Visit, and let the first or the second tab complain."""
    with visit(browser, origin) as stranger:
        tab = stranger.new_tab() if is_second else stranger
        tab.opens("/log-in", "Log in")
        tab.page.evaluate(script)
        tab.page.evaluate("new Promise((done) => setTimeout(done))")


@pytest.mark.parametrize("kind", COMPLAINTS)
@pytest.mark.parametrize("is_second", [False, True])
def test_a_complaint_of_any_tab_fails_a_test(
    browser: Browser, stack: Stack, kind: str, is_second: bool
) -> None:
    script, words = COMPLAINTS[kind]
    with pytest.raises(AssertionError, match=words):
        complain(browser, stack.layout.public_origin, script, is_second=is_second)

"""Suggestions beside the search, and whom of one's own people one finds at a profile."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.client import Person
from tests.web.browsing import Visitor
from tests.web.test_screens import check


def test_a_friend_of_a_friend_is_suggested_and_followed(
    visitor: Callable[..., Visitor], signed_up: Callable[[str], Person]
) -> None:
    ada, bea, cleo, dora = (signed_up(name) for name in ("ada", "bea", "cleo", "dora"))
    for friend in (bea, cleo):
        ada.follow(friend)
        friend.follow(dora)
    reader = visitor(person=ada)
    reader.opens("/search")
    page = reader.page
    expect(page.get_by_role("heading", name="Suggestions for you")).to_be_visible()
    suggested = page.get_by_role("listitem").filter(has_text=dora.username)
    check(page, "suggestions")
    suggested.get_by_role("button", name="Follow", exact=True).click()
    expect(suggested.get_by_role("button", name="Following")).to_be_visible()
    suggested.get_by_role("link").first.click()
    expect(
        page.get_by_text(f"Followed by {cleo.username} and {bea.username}", exact=True)
    ).to_be_visible()
    check(page, "profile-with-known-followers")

"""Every screen: nothing is wider than the window or moves while it loads, axe finds nothing, and a
picture is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from devstack.layout import PROJECT_DIR
from tests.support.accounts import verify_address
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import DESKTOP, PATIENCE, PHONE, Scheme, Visitor, screenshot
from tests.web.measuring import MOST_SHIFT, layout_shift, shifts, watch

AXE = PROJECT_DIR / "web" / "node_modules" / "axe-core" / "axe.min.js"
# Of those that are loaded at once. One whose file is being moved is tried again by the client.
PICTURES_ARE_THERE = """
    Promise.all([...document.querySelectorAll('img[loading=eager]')].map((one) => one.decode()))
        .then(() => true, () => false)
"""
# Markup, a long word, letters from right to left, emoji: as in names that people give themselves.
HOSTILE = "<img src=x onerror=alert(1)> & \"'` ${1} {{1}} \u05e9\u05dc\u05d5\u05dd \U0001f9d1 "
LONG_WORD = "W" * 600
WINDOWS: dict[str, ViewportSize] = {"phone": PHONE, "desktop": DESKTOP}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SETTINGS = (
    *("profile", "picture", "password", "email"),
    *("second-factor", "sessions", "privacy", "requests"),
    *("comments", "held-comments", "close-friends"),
    *("blocked", "muted", "restricted", "delete-account"),
)
OPEN = {"log-in": "/log-in", "sign-up": "/sign-up", "forgotten-password": "/forgotten-password"}


def violations(page: Page) -> list[Any]:
    """What axe finds, as its rule and the elements."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


def check(page: Page, name: str) -> None:
    """Look at a screen in both schemes of colours."""
    expect(page.get_by_role("heading").first).to_be_attached()
    expect(page.get_by_text("Loading", exact=True)).to_have_count(0)
    wait_until(lambda: page.evaluate(PICTURES_ARE_THERE), PATIENCE / 1000)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        screenshot(page, f"{name}-{scheme}")
        assert violations(page) == [], f"{name}, {scheme}"
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, f"{name} is {overflow} pixels wider than the window"


def check_that_nothing_moved(page: Page, name: str) -> None:
    """While the screen has loaded."""
    moved = shifts(page)
    assert layout_shift(moved) <= MOST_SHIFT, f"{name}: {moved}"


@pytest.fixture
def paths(ada: Person, signed_up: Callable[[str], Person]) -> dict[str, str]:
    """The address of each screen for somebody who is logged in, with something to show."""
    bea = signed_up("bea")
    ada.follow(bea)
    bea.follow(ada)
    bea.http.patch("/api/v1/users/me", json={"display_name": HOSTILE[:60], "bio": LONG_WORD[:500]})
    media = [bea.upload(jpeg_with_gps())["id"] for _ in range(2)]
    body = {"caption": HOSTILE + LONG_WORD, "media": media}
    post = bea.http.post("/api/v1/posts", json=body).json()
    ada.like(post)
    comment = bea.comment(post, HOSTILE + LONG_WORD)
    bea.comment(post, "Mine too.", reply_to=comment["id"])
    ada.comment(post, "Nobody else was up.")
    verify_address(ada.http, f"{ada.username}@example.org")
    return {
        "home": "/",
        "post": f"/p/{post['id']}",
        "likes": f"/p/{post['id']}/likes",
        "profile": f"/u/{bea.username}",
        "followers": f"/u/{bea.username}/followers",
        "search": f"/search?q={bea.username}",
        "new": "/new",
        "settings": "/settings",
        **{f"settings-{name}": f"/settings/{name}" for name in SETTINGS},
        "not-found": "/u/nobody_has_this_name",
    }


@pytest.mark.parametrize("window", WINDOWS)
def test_screens_of_a_reader(
    visitor: Callable[..., Visitor], ada: Person, paths: dict[str, str], window: str
) -> None:
    reader = visitor(person=ada, viewport=WINDOWS[window])
    watch(reader.page)
    reader.page.on("dialog", lambda dialog: pytest.fail("a script of a caption ran"))
    for name, path in paths.items():
        reader.opens(path)
        check(reader.page, f"{name}-{window}")
        check_that_nothing_moved(reader.page, name)


@pytest.mark.parametrize("window", WINDOWS)
def test_screens_of_a_stranger(
    visitor: Callable[..., Visitor], paths: dict[str, str], window: str
) -> None:
    stranger = visitor(viewport=WINDOWS[window])
    watch(stranger.page)
    public = {f"public-{name}": paths[name] for name in ("post", "profile", "not-found")}
    for name, path in {**OPEN, **public}.items():
        stranger.opens(path)
        check(stranger.page, f"{name}-{window}")
        check_that_nothing_moved(stranger.page, name)


def test_hostile_texts_are_shown_as_they_were_written(
    visitor: Callable[..., Visitor], ada: Person, paths: dict[str, str]
) -> None:
    reader = visitor(person=ada)
    reader.opens(paths["post"])
    article = reader.page.get_by_role("article")
    # A page shows blanks in a row as one.
    expect(article).to_contain_text(HOSTILE.strip())
    expect(
        reader.page.get_by_role("listitem").filter(has_text=HOSTILE.strip()).first
    ).to_be_visible()
    assert reader.page.locator("img[src=x]").count() == 0


def test_another_language(visitor: Callable[..., Visitor], ada: Person) -> None:
    reader = visitor(person=ada, language="de-AT")
    reader.opens("/", "Hier ist es noch leer")
    assert reader.page.evaluate("document.documentElement.lang") == "de"
    reader.opens("/settings", "Einstellungen")
    reader.page.get_by_label("Sprache").select_option("English")
    expect(reader.page.get_by_role("heading", name="Settings")).to_be_visible()

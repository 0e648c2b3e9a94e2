"""Visitors of the web client: each has a browser context of their own, like a device."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from django.conf import settings
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
    ViewportSize,
    expect,
)

from devstack.layout import PROJECT_DIR
from tests.support.client import PASSWORD, Person

NO_BROWSER = (
    "There is no browser: the web client is not tested. Install Chromium (Debian: apt-get install "
    "chromium), or name one in BROWSER_PATH."
)
Scheme = Literal["light", "dark"]
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
# Pictures of the screens, to be looked at after a run.
SCREENSHOTS = PROJECT_DIR / "var" / "screenshots"
# The stack's servers answer a page in some milliseconds; the machine may be busy.
PATIENCE = 15_000  # milliseconds

expect.set_options(timeout=PATIENCE)


def find_browser() -> str | None:
    """The path of a Chromium; None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, names)), None)


@dataclass
class Visitor:
    """Somebody at a tab of a browser, and what all their tabs complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def new_tab(self) -> "Visitor":
        """The same person at another tab."""
        return Visitor(self.page.context.new_page(), self.complaints)

    def opens(self, path: str, heading: str | None = None) -> None:
        """Open an address of the client, and wait for its heading."""
        self.page.goto(path)
        if heading:
            expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()

    def _note(self, message: ConsoleMessage) -> None:
        # A refused request is no fault of the page: it shows what was refused.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)


def hold(page: Page, pattern: str) -> list[Route]:
    """The page's requests to such addresses, which wait until they are continued."""
    held: list[Route] = []

    def wait(route: Route) -> None:
        held.append(route)

    page.route(pattern, wait)
    return held


def give_session(context: BrowserContext, person: Person, origin: str) -> None:
    """Log a person in, without a word to the pages that are open."""
    context.add_cookies(
        [
            {
                "name": settings.REFRESH_COOKIE_NAME,
                "value": person.tokens["refresh_token"],
                "url": f"{origin}/_allauth/app/v1/",
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )


@contextmanager
def visit(
    browser: Browser,
    origin: str,
    *,
    person: Person | None = None,
    viewport: ViewportSize = PHONE,
    scheme: Scheme = "light",
    language: str = "en",
) -> Iterator[Visitor]:
    """A visitor with a new browser context; `person`: who is logged in there.

    Fails at the end if a tab has raised an error, or has broken its Content-Security-Policy.
    """
    context = browser.new_context(
        base_url=origin,
        viewport=viewport,
        color_scheme=scheme,
        locale=language,
        has_touch=viewport is PHONE,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    if person:
        give_session(context, person, origin)
    visitor = Visitor(context.new_page())
    try:
        yield visitor
        assert visitor.complaints == [], visitor.complaints
    finally:
        context.close()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Send the form of the log-in's page."""
    page.get_by_label("Username or e-mail").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def screenshot(page: Page, name: str) -> Path:
    """Store a picture of what is to be seen."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    return path

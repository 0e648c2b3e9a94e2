"""What a reader of the web client waits for: the first feed, and the scores of Lighthouse.

Measured with Chromium on the window of Lighthouse's phone. Its network, where it is slow, is the
"slow 4G" of Lighthouse and Chromium: each request waits 150 ms, and all share 1.6 Mbit/s down and
0.75 Mbit/s up.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import BrowserContext, Playwright, expect, sync_playwright

from comments.services import add_comment
from devstack.layout import HOST, PROJECT_DIR, free_port_base
from posts.services import like_post
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts
from tests.benchmarks.requests import Bench
from tests.support.client import Person, sign_up, wait_until
from tests.support.feeds import make_follow
from tests.support.photo_posts import make_photo_posts, photos
from tests.web.browsing import NO_BROWSER, find_browser, give_session
from tests.web.measuring import (
    MOST_SHIFT,
    layout_shift,
    script_bytes,
    shifts,
    watch,
)
from tests.web.offline import stored_rows

PHONE: dict[str, Any] = {
    "viewport": {"width": 412, "height": 823},
    "device_scale_factor": 1.75,
    "is_mobile": True,
    "has_touch": True,
}
SLOW_4G = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}
VISITS, AUDITS = 9, 5
PATIENCE = 30.0
AUTHORS, PHOTOS = 20, 12
_LIGHTHOUSE = Path(__file__).parent / "lighthouse"
# The last report as a whole.
_REPORT = PROJECT_DIR / "var" / "lighthouse.json"
_CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
_numbers = count()


class NoBrowserError(Exception):
    """There is no browser to measure with."""


def browser_path() -> str:
    """The browser to measure with. Raises `NoBrowserError`."""
    path = find_browser()
    if path is None:
        raise NoBrowserError(NO_BROWSER)
    return path


def _reader(bench: Bench, *, posts: int) -> Person:
    """Somebody whose home timeline has so many posts, each with a photo, some with more."""
    person = sign_up(bench.layout.public_origin, f"visitor_{next(_numbers)}")
    authors = add_accounts(f"photographer_{next(_numbers)}_", AUTHORS)
    post_ids = make_photo_posts(authors, posts, of=photos(PHOTOS))
    for post_id in post_ids[::3]:
        like_post(post_id=post_id, user_id=authors[0])
        add_comment(post_id=post_id, author_id=authors[1], text="What a light! Where is it?")
    make_follow([person], authors)
    return person


@dataclass(frozen=True)
class Phone:
    """A browser with the window of a phone, and the session of a reader."""

    playwright: Playwright
    origin: str
    person: Person

    @contextmanager
    def context(self, *arguments: str) -> Iterator[BrowserContext]:
        """A browser with nothing but the session."""
        with tempfile.TemporaryDirectory() as folder:
            context = self.playwright.chromium.launch_persistent_context(
                folder,
                executable_path=browser_path(),
                args=[*arguments],
                base_url=self.origin,
                **PHONE,
            )
            give_session(context, self.person, self.origin)
            try:
                yield context
            finally:
                # Each refresh has made another token.
                (cookie,) = context.cookies(f"{self.origin}/_allauth/app/v1/")
                self.person.tokens["refresh_token"] = cookie["value"]
                context.close()


@contextmanager
def phone_of_reader(bench: Bench, *, posts: int) -> Iterator[Phone]:
    """The phone of a new reader whose home timeline has so many posts."""
    person = _reader(bench, posts=posts)
    with closing(person.http), sync_playwright() as playwright:
        yield Phone(playwright, bench.layout.public_origin, person)


# --- the first feed -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visit:
    """A visit to home. Seconds until the first post and its picture; bytes of its scripts."""

    article: float
    picture: float
    shift: float
    script_bytes: int


def first_feed(bench: Bench) -> Iterator[Figure]:
    """Home on a slow phone network: with nothing but the session, and with the shell stored."""
    browser_path()
    with phone_of_reader(bench, posts=40) as phone:
        cold: list[Visit] = []
        warm: list[Visit] = []
        for _ in range(VISITS):
            with phone.context() as context:
                watch(context)
                cold.append(_slow_visit(context))
                _let_the_shell_be_stored(context)
                warm.append(_slow_visit(context))
    yield from _figures("an empty cache", cold, at_most=3)
    yield from _figures("the stored shell", warm, at_most=1.5)
    size = median(visit.script_bytes for visit in cold) / 1000
    yield Figure("script of home, compressed", size, "kB", VISITS, at_most=60)


def _slow_visit(context: BrowserContext) -> Visit:
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    # Pictures, too, come over the network. The service worker's storage is another one.
    session.send("Network.clearBrowserCache")
    session.send("Network.emulateNetworkConditions", SLOW_4G)
    page.goto("/", wait_until="commit")
    wait_until(lambda: bool(page.evaluate("window.seen?.article && seen.picture")), PATIENCE)
    page.wait_for_load_state("networkidle")
    article, picture = page.evaluate("[seen.article / 1000, seen.picture / 1000]")
    sizes = script_bytes(page)
    visit = Visit(article, picture, layout_shift(shifts(page)), sum(sizes.values()))
    page.close()
    return visit


def _let_the_shell_be_stored(context: BrowserContext) -> None:
    """Visit home once more, until its page and assets, and who the reader is, are stored."""
    page = context.new_page()
    page.goto("/")
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    wait_until(lambda: bool(stored_rows(page).get("homes")), PATIENCE)
    page.close()


def _figures(how: str, visits: Sequence[Visit], *, at_most: float) -> Iterator[Figure]:
    articles = [visit.article for visit in visits]
    name = f"home on slow 4G with {how}"
    note = f"slowest {max(articles):.2f} s"
    yield Figure(
        f"{name}: first post", median(articles), "s", len(visits), at_most=at_most, note=note
    )
    pictures = [visit.picture for visit in visits]
    note = f"slowest {max(pictures):.2f} s"
    yield Figure(f"{name}: its picture", median(pictures), "s", len(visits), note=note)
    shift = max(visit.shift for visit in visits)
    yield Figure(f"{name}: layout shift, worst", shift, "", len(visits), at_most=MOST_SHIFT)


# --- Lighthouse -----------------------------------------------------------------------------------


def lighthouse(bench: Bench) -> Iterator[Figure]:
    """The scores of home for somebody who is logged in, as a phone without a cache sees it."""
    browser_path()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(_LIGHTHOUSE, folder, dirs_exist_ok=True)
        _run("npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", folder=folder)
        with phone_of_reader(bench, posts=40) as phone:
            port = free_port_base()
            with phone.context(f"--remote-debugging-port={port}") as context:
                page = context.new_page()
                page.goto("/")
                expect(page.get_by_role("article").first).to_be_visible()
                page.close()
                audits = [_audit(phone.origin, port, folder) for _ in range(AUDITS)]
    for category in _CATEGORIES:
        scores = [100 * audit["categories"][category]["score"] for audit in audits]
        worst = min(audits, key=lambda audit: audit["categories"][category]["score"])
        yield Figure(
            f"Lighthouse, home of a reader: {category}",
            median(scores),
            "",
            AUDITS,
            at_least=95,
            note="; ".join([f"least {min(scores):.0f}", *_faults(worst, category)]),
        )


def _audit(origin: str, port: int, folder: Path) -> Any:
    """One report of Lighthouse. It deletes caches and service workers first, and no cookies."""
    report = folder / "report.json"
    _run(
        *("node", "node_modules/lighthouse/cli/index.js", f"{origin}/"),
        *("--port", str(port), "--hostname", HOST, "--quiet"),
        *("--only-categories", ",".join(_CATEGORIES)),
        *("--output", "json", "--output-path", report),
        folder=folder,
    )
    audit = json.loads(report.read_text())
    assert audit["finalDisplayedUrl"] == f"{origin}/", audit["finalDisplayedUrl"]
    assert not audit.get("runtimeError"), audit["runtimeError"]
    _REPORT.parent.mkdir(exist_ok=True)
    shutil.copy(report, _REPORT)
    return audit


def _faults(audit: Any, category: str) -> list[str]:
    """What costs points: the audits that have a weight and are not passed."""
    return [
        f"{one['id']} {audit['audits'][one['id']].get('displayValue', '')}".strip()
        for one in audit["categories"][category]["auditRefs"]
        if one["weight"] and (audit["audits"][one["id"]]["score"] or 0) < 0.9
    ]


def _run(program: str, *arguments: str | Path, folder: Path) -> None:
    command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

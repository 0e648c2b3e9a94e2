"""The service worker, which starts the client without the network; and the installed client."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Error, Page, Response, expect

from core.files import etag_of
from devstack.lifecycle import Stack
from operations.web_client import published_folder
from tests.deploy.test_web_client import OF_THE_API, PAGES, WITH_PREVIEW
from tests.support.client import wait_until
from tests.web.browsing import PATIENCE, Visitor
from tests.web.offline import article, cached_files, goes_offline


def test_a_warm_start_needs_the_network_for_neither_page_nor_assets(reader: Visitor) -> None:
    started: list[tuple[str, bool]] = []

    def note(answer: Response) -> None:
        path = urlsplit(answer.url).path
        if path == "/" or path.startswith("/assets/"):
            started.append((path, answer.from_service_worker))

    reader.page.on("response", note)
    reader.opens("/")
    expect(article(reader.page)).to_be_visible()
    from_worker = {path for path, is_from_worker in started if is_from_worker}
    assert from_worker >= set(cached_files(reader.page))
    # The worker itself asks whether there is a newer page.
    assert {path for path, is_from_worker in started if not is_from_worker} <= {"/"}


def test_the_worker_answers_the_pages_of_the_client_and_no_others(reader: Visitor) -> None:
    page = reader.page
    for path in OF_THE_API:
        answer = page.goto(path)
        assert answer
        assert not answer.from_service_worker, path
    assert all(path == "/" or path.startswith("/assets/") for path in cached_files(page))
    goes_offline(reader)
    for path in [*PAGES, *WITH_PREVIEW]:
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


def script_of(page: Page) -> str:
    """The path of the script that started the page, which differs by release."""
    path: str = page.evaluate("document.querySelector('script[type=module]').getAttribute('src')")
    return path


def test_a_new_release_starts_at_the_second_visit(reader: Visitor) -> None:
    page = reader.page
    old = script_of(page)
    with new_release(published_folder()) as new:
        page.reload()
        assert script_of(page) == old
        wait_until(lambda: new in cached_files(page)["/"], PATIENCE / 1000)
        # The page that is open goes on.
        page.get_by_role("link", name="Search").click()
        expect(page.get_by_label("Search people")).to_be_visible()
        goes_offline(reader)
        reader.opens("/")
        assert script_of(page) == new
        expect(article(page)).to_be_visible()


def test_the_assets_of_a_release_are_stored_until_the_one_after_the_next(reader: Visitor) -> None:
    page = reader.page
    old = script_of(page)
    with new_release(published_folder()) as second:
        page.reload()
        wait_until(lambda: second in cached_files(page)["/"], PATIENCE / 1000)
        page.reload()
        assert script_of(page) == second
        # A page that was opened before the release may be starting now.
        assert old in cached_files(page)
        with new_release(published_folder()) as third:
            page.reload()
            wait_until(lambda: old not in cached_files(page), PATIENCE / 1000)
            assert {second, third} <= set(cached_files(page))


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

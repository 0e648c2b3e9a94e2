"""The web client that `make web` has built, through the web server of the stack.

tests/deploy has the rules of the web server for its files, with a small client.
"""

from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from django.conf import settings

from devstack.lifecycle import Stack
from operations.web_client import is_built
from tests.deploy.test_web_client import IMMUTABLE, PAGES, assert_of_the_client, policy
from tests.flows.test_pages import Inline, assert_keeps_its_policy
from tests.support.raw_http import ask, assert_problem, head


@pytest.fixture(autouse=True)
def built(stack: Stack) -> Path:
    """The folder of the built client, which the stack has published at its start."""
    folder: Path = settings.WEB_CLIENT_DIR
    assert is_built(folder), "The web client is not built: `make web` builds it."
    return folder


def test_each_page_is_the_one_that_was_built(stack: Stack, built: Path) -> None:
    for path in PAGES:
        page = httpx.get(stack.layout.public_origin + path)
        assert (page.status_code, page.content) == (200, (built / "index.html").read_bytes()), path
        assert page.headers["Cache-Control"] == "no-cache"
        assert_of_the_client(page)


def test_the_page_keeps_its_policy_and_all_that_it_loads_is_there(stack: Stack) -> None:
    origin = stack.layout.public_origin
    page = httpx.get(origin)
    assert_keeps_its_policy(page.text, page.headers["Content-Security-Policy"], origin)
    loaded = [urljoin(origin, address) for _, address in Inline(page.text).loaded]
    assert any(address.startswith(f"{origin}/assets/") for address in loaded)
    for address in loaded:
        file = httpx.get(address)
        assert file.status_code == 200, address
        assert_of_the_client(file)


def test_every_asset_is_served_as_it_was_built_and_for_ever(stack: Stack, built: Path) -> None:
    files = [path for path in built.rglob("*") if path.is_file() and path.name != "index.html"]
    assert files
    for file in files:
        name = str(file.relative_to(built))
        answer = httpx.get(f"{stack.layout.public_origin}/{name}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes()), name
        cached = IMMUTABLE if name.startswith("assets/") else "no-cache"
        assert answer.headers["Cache-Control"] == cached, name


def test_the_policy_lets_the_client_reach_the_media_and_the_store(stack: Stack) -> None:
    allowed = policy(httpx.get(stack.layout.public_origin))
    store = stack.layout.urls()["S3_ENDPOINT_URL"]
    assert allowed["connect-src"] == {"'self'", store}
    # The media of private accounts come from the store itself.
    assert allowed["img-src"] == {"'self'", "blob:", stack.layout.media_origin, store}
    assert allowed["media-src"] == {"blob:", stack.layout.media_origin, store}


def test_a_page_is_only_read(http: httpx.Client) -> None:
    for path, status in (("/", 405), ("/log-in", 404)):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert http.request(method, path).status_code == status
    assert http.options("/").headers["Allow"] == "GET, HEAD, OPTIONS"


def test_what_is_no_page_and_no_asset_is_not_there(stack: Stack) -> None:
    for path in ("/assets/none.js", "/static/web/index.html"):
        assert_problem(ask(stack.layout.port("caddy"), head("GET", path)), 404)
    for path in (
        "/nowhere",
        "/assets/..%2fschema%2fopenapi.json",
        "/assets/../schema/openapi.json",
    ):
        answer = ask(stack.layout.port("caddy"), head("GET", path))
        assert answer.status == 404
        assert b"openapi" not in answer.content

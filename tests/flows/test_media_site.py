"""Media through the web server: the headers that the store cannot send, and public objects only."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from devstack.lifecycle import Stack
from media import storage
from tests.support.images import jpeg_with_gps
from tests.support.raw_http import ask, chunk, head

POLICY = "sandbox; default-src 'none'; media-src 'self'; frame-ancestors 'none'"
IMMUTABLE = "public, max-age=31536000, immutable"
ORIGIN = {"Origin": "https://app.example.org"}
SECRET = "private/kept.jpg"


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    """The key of a picture that anybody may see. Beside it is one that nobody may see."""
    prefix = storage.new_prefix()
    storage.put_variants(prefix=prefix, variants={"full.jpg": jpeg_with_gps()})
    storages["default"].save(SECRET, ContentFile(b"secret"))
    return storage.variant_key(prefix, "full.jpg")


def assert_harmless(answer: httpx.Response) -> None:
    """A browser takes the answer for what it says, and runs nothing in it."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Server" not in answer.headers


def test_a_picture_has_an_origin_of_its_own_and_the_headers_of_a_file(
    stack: Stack, key: str
) -> None:
    url = storage.public_url(key)
    assert url.startswith(stack.layout.media_origin)
    picture = httpx.get(url, headers=ORIGIN)
    assert (picture.status_code, picture.content) == (200, jpeg_with_gps())
    part = httpx.get(url, headers=ORIGIN | {"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, jpeg_with_gps()[2:5])
    unchanged = httpx.get(url, headers=ORIGIN | {"If-None-Match": picture.headers["ETag"]})
    assert unchanged.status_code == 304
    only_head = httpx.head(url, headers=ORIGIN)
    assert only_head.headers["Content-Length"] == str(len(jpeg_with_gps()))
    for answer in (picture, part, unchanged, only_head):
        assert_harmless(answer)
        assert answer.headers["Cache-Control"] == IMMUTABLE
    for answer in (picture, part, only_head):
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Access-Control-Allow-Origin"] in {"*", ORIGIN["Origin"]}


@pytest.mark.parametrize(
    ("name", "content_type"), [("full.webp", "image/webp"), ("half.mp4", "video/mp4")]
)
def test_each_format_is_served_as_what_it_is(stack: Stack, name: str, content_type: str) -> None:
    prefix = storage.new_prefix()
    storage.put_variants(prefix=prefix, variants={name: b"one"})
    answer = httpx.get(storage.public_url(storage.variant_key(prefix, name)))
    assert (answer.status_code, answer.content) == (200, b"one")
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Cache-Control"] == IMMUTABLE
    assert_harmless(answer)


def test_an_object_whose_store_says_nothing_about_caches_may_be_cached(
    stack: Stack, settings: Any
) -> None:
    default = settings.STORAGES["default"]
    silent = {**default["OPTIONS"], "object_parameters": {}}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": silent}}
    prefix = storage.new_prefix()
    storage.put_variants(prefix=prefix, variants={"full.jpg": b"one"})
    answer = httpx.get(storage.public_url(storage.variant_key(prefix, "full.jpg")))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, IMMUTABLE)


def test_a_query_does_not_reach_the_store(key: str) -> None:
    for query in ("acl", "response-content-type=text/html", "X-Amz-Signature=a", "uploads"):
        answer = httpx.get(f"{storage.public_url(key)}?{query}")
        assert (answer.status_code, answer.content) == (200, jpeg_with_gps())
        assert answer.headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/public", "/public/", "/public/media/", "/public/media/none/full.jpg"),
        *(f"/{SECRET}", f"/public/../{SECRET}", f"/public/%2e%2e/{SECRET}"),
        *(f"/public/%252e%252e/{SECRET}", f"/socialfeed/{SECRET}", f"//{SECRET}"),
        *("/healthz/live", "/metrics", "/api/v1/users/me", "/admin/"),
    ],
)
def test_there_is_nothing_else(stack: Stack, key: str, path: str) -> None:
    with httpx.Client() as http:
        request = http.build_request("GET", stack.layout.media_origin)
        request.extensions["target"] = path.encode()
        answer = http.send(request)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "immutable" not in answer.headers.get("Cache-Control", "")
    assert answer.json()["status"] == 404
    assert_harmless(answer)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "BREW"])
def test_nothing_can_be_changed(stack: Stack, key: str, method: str) -> None:
    answer = httpx.request(method, storage.public_url(key), content=b"mine")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert_harmless(answer)
    assert storages["default"].size(key) == len(jpeg_with_gps())


def test_a_request_has_no_body(stack: Stack, key: str) -> None:
    port, path = stack.layout.port("media"), urlsplit(storage.public_url(key)).path
    assert ask(port, head("GET", path, Content_Length=3), [b"abc"]).status == 400
    chunked = head("GET", path, Transfer_Encoding="chunked")
    assert ask(port, chunked, [chunk(b"abc"), b"0\r\n\r\n"]).status == 400

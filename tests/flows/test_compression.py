"""What the web server compresses, and what it does not because of the secrets beside it."""

import gzip
from collections.abc import Callable

import httpx
import psutil
import pytest

from devstack.lifecycle import Stack
from tests.support.client import PASSWORD, Person
from tests.support.feeds import HOME, make_follow, make_many_posts

REQUESTS = 300


@pytest.fixture
def reader(member: Callable[[str], Person]) -> Person:
    """A person whose home timeline has a full page."""
    author, reader = member("author"), member("reader")
    make_many_posts([int(author.id)], 30)
    make_follow([reader], [int(author.id)])
    return reader


def get(person: Person, path: str, encoding: str, **headers: str) -> httpx.Response:
    return person.http.get(path, headers={"Accept-Encoding": encoding} | headers)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_page_of_json_is_compressed(
    reader: Person, encoding: str, measured: Callable[[str], None]
) -> None:
    plain = get(reader, HOME, "identity")
    assert "Content-Encoding" not in plain.headers
    with reader.http.stream("GET", HOME, headers={"Accept-Encoding": encoding}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == encoding
    assert "Accept-Encoding" in answer.headers.get_list("Vary", split_commas=True)
    assert len(raw) < len(plain.content) / 2
    if encoding == "gzip":
        assert gzip.decompress(raw) == plain.content
    measured(f"{len(plain.content):,} bytes of a page: {len(raw):,} in {encoding}")


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_an_unchanged_page_is_304_in_any_encoding(reader: Person, encoding: str) -> None:
    etag = get(reader, HOME, encoding).headers["ETag"]
    assert etag == get(reader, HOME, "identity").headers["ETag"], "it is a weak one"
    for other in ("identity", "gzip", "zstd"):
        again = reader.http.get(HOME, headers={"Accept-Encoding": other, "If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag


def test_what_has_secrets_is_not_compressed(
    stack: Stack, signed_up: Callable[[str], Person]
) -> None:
    ada = signed_up("ada")
    auth = "/_allauth/app/v1"
    body = {"username": ada.username, "password": PASSWORD}
    headers = {"Accept-Encoding": "zstd, gzip"}
    answers = [
        ada.http.get(f"{auth}/auth/session", headers=headers),
        ada.http.get(f"{auth}/config", headers=headers),
        httpx.post(f"{stack.layout.public_origin}{auth}/auth/login", json=body, headers=headers),
        ada.http.get("/admin/login/", headers=headers),
        ada.http.get("/account/password-reset/a-key", headers=headers),
        ada.http.patch("/api/v1/users/me", json={"bio": "x" * 400}, headers=headers),
    ]
    assert all("Content-Encoding" not in answer.headers for answer in answers)


def test_static_files_are_compressed_and_pictures_are_not(stack: Stack) -> None:
    origin = stack.layout.public_origin
    headers = {"Accept-Encoding": "gzip"}
    script = httpx.get(f"{origin}/static/admin/js/core.js", headers=headers)
    assert script.headers["Content-Encoding"] == "gzip"
    etag = {"If-None-Match": script.headers["ETag"]}
    assert httpx.get(script.url, headers=headers | etag).status_code == 304
    picture = httpx.get(f"{origin}/static/socialfeed/sample.jpg", headers=headers)
    assert "Content-Encoding" not in picture.headers


def test_what_compression_costs(
    stack: Stack, reader: Person, measured: Callable[[str], None]
) -> None:
    """Measure the CPU time of the web server. The figure is printed, not asserted."""
    (caddy,) = stack.status("caddy")
    assert caddy.pid is not None
    process = psutil.Process(caddy.pid)

    def cost(encoding: str) -> float:
        before = sum(process.cpu_times()[:2])
        for _ in range(REQUESTS):
            assert get(reader, HOME, encoding).status_code == 200
        return float(sum(process.cpu_times()[:2]) - before) / REQUESTS * 1000

    cost("identity")
    costs = {encoding: cost(encoding) for encoding in ("identity", "zstd", "gzip")}
    shown = ", ".join(f"{value:.2f} ms {name}" for name, value in costs.items())
    measured(f"CPU of the web server a home read, {REQUESTS} each: {shown}")

"""The schema is a file: served in two formats, compressed, and not sent twice."""

import gzip
import time

import httpx
import pytest

from core.http.schema import render_schema
from devstack.lifecycle import Stack
from tests.support.client import http_client

JSON, YAML = "application/json", "application/yaml"
# The budget of one answer. To make the schema takes a hundred times as long.
SECONDS = 0.05


@pytest.fixture
def address(stack: Stack) -> str:
    return f"{stack.layout.public_origin}/api/schema/"


def get(address: str, query: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(address + query, headers={"Accept-Encoding": "identity"} | named)


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", JSON),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("", JSON, JSON),
        ("", "application/vnd.oai.openapi+json", JSON),
        ("?format=json", YAML, JSON),
        ("", YAML, YAML),
        ("", "text/yaml", YAML),
        ("", "application/vnd.oai.openapi", YAML),
        ("?format=yaml", JSON, YAML),
    ],
)
def test_each_format_is_what_this_release_makes(
    address: str, query: str, accept: str, kind: str
) -> None:
    answer = get(address, query, Accept=accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == kind
    assert "Accept" in answer.headers.get_list("Vary", split_commas=True)
    name = "openapi.json" if kind == JSON else "openapi.yaml"
    assert answer.content == render_schema()[name]


@pytest.mark.parametrize("accept", [JSON, YAML])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_client_that_has_it_gets_304(address: str, accept: str, encoding: str) -> None:
    first = get(address, Accept=accept, Accept_Encoding=encoding)
    assert ("Content-Encoding" in first.headers) == (encoding == "gzip")
    again = get(
        address, Accept=accept, Accept_Encoding=encoding, If_None_Match=first.headers["ETag"]
    )
    assert (again.status_code, again.content) == (304, b"")
    other = get(address, Accept=accept, Accept_Encoding=encoding, If_None_Match='"other"')
    assert other.status_code == 200
    assert other.headers["ETag"] == first.headers["ETag"]


def test_each_format_and_encoding_has_an_etag_of_its_own(address: str) -> None:
    etags = {
        get(address, Accept=accept, Accept_Encoding=encoding).headers["ETag"]
        for accept in (JSON, YAML)
        for encoding in ("identity", "gzip")
    }
    assert len(etags) == 4


def test_nothing_makes_it_for_a_request(stack: Stack, address: str) -> None:
    with http_client(address) as http:
        http.get(address)
        began = time.monotonic()
        for _ in range(50):
            assert http.get(address).status_code == 200
        assert (time.monotonic() - began) / 50 < SECONDS
    for role in ("read", "write"):
        direct = httpx.get(f"http://127.0.0.1:{stack.layout.port(f'{role}-api')}/api/schema/")
        assert direct.status_code == 404, "no API knows this address"


@pytest.mark.parametrize("kind", ["yaml", "json", "html"])
def test_django_allauth_serves_no_schema_of_its_own(stack: Stack, kind: str) -> None:
    for role in ("read", "write"):
        for at in (stack.layout.port("caddy"), stack.layout.port(f"{role}-api")):
            answer = httpx.get(f"http://127.0.0.1:{at}/_allauth/openapi.{kind}")
            assert answer.status_code == 404


def test_the_docs_page_shows_it(stack: Stack, address: str) -> None:
    script = httpx.get(f"{stack.layout.public_origin}/api/docs/?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert r'url: "/api/schema/"' in script.text
    assert "csrf" not in script.headers.get("Set-Cookie", "")


def test_the_stored_copy_is_the_same(stack: Stack) -> None:
    folder = stack.layout.var_dir / "static" / "schema"
    for name, content in render_schema().items():
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == content
        etag = (folder / f"{name}.etag").read_text()
        assert etag.strip('"') + ".gz" == (folder / f"{name}.gz.etag").read_text().strip('"')
    assert not list(folder.glob("*.new"))


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_it_is_only_read(address: str, method: str) -> None:
    answer = httpx.request(method, address, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json()["status"] == 405

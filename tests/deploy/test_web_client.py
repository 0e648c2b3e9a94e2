"""The web client's files through the web server: addresses, headers, and what stays the API's."""

import gzip
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from devstack.layout import HOST
from tests.deploy.conftest import PAGE, SCRIPT
from tests.support.raw_http import ask, assert_problem, head

PAGES = [
    *("/", "/log-in", "/sign-up", "/forgotten-password", "/search", "/new"),
    *("/settings", "/settings/password", "/settings/two-factor/codes", "/?from=mail"),
    *("/p/766237505249870848/likes", "/u/ada/followers", "/u/ada.b_c/following"),
]
# The Read API puts a preview into these.
WITH_PREVIEW = ["/p/766237505249870848", "/u/ada", "/u/ada.b_c", "/u/@"]
OF_THE_API = [
    *("/nowhere", "/log-in/", "/log-in2", "/LOG-IN", "/index.html", "/p", "/p/", "/u/", "/p/1/2"),
    *("/u/ada/", "/u/ada/posts", "/u/ada/followers/1", "/settingsx", "/developers/", "/assets"),
    *("/api/v1/users/me", "/healthz/live", "/robots.txt", "/favicon.ico", "/index.html.etag"),
]
ASSETS = {
    "/assets/index-B1x_y-2z.js": "text/javascript; charset=utf-8",
    "/assets/index-B1x_y-2z.css": "text/css; charset=utf-8",
    "/assets/inter-latin-400-a1b2c3d4.woff2": "font/woff2",
}
SCRIPT_PATH, _, FONT_PATH = ASSETS
FILES = {
    "/favicon.svg": "image/svg+xml",
    "/manifest.webmanifest": "application/manifest+json",
}
IMMUTABLE = "public, max-age=31536000, immutable"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
HSTS = "Strict-Transport-Security"


def get(address: str, encoding: str = "identity", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(address, headers={"Accept-Encoding": encoding} | named)


def policy(answer: httpx.Response) -> dict[str, set[str]]:
    """The directives of a Content-Security-Policy, each with its sources."""
    parts = [part.split() for part in answer.headers["Content-Security-Policy"].split(";")]
    assert len({words[0] for words in parts}) == len(parts)
    return {words[0]: set(words[1:]) for words in parts}


def assert_of_the_client(answer: httpx.Response) -> None:
    """The headers that all files of the client have."""
    allowed = policy(answer)
    assert allowed["default-src"] == allowed["base-uri"] == {"'none'"}
    assert allowed["frame-ancestors"] == {"'none'"}
    assert allowed["script-src"] == allowed["style-src"] == {"'self'"}
    assert "unsafe-" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Permissions-Policy"] == "camera=(), geolocation=(), microphone=()"
    assert "Server" not in answer.headers


def role(answer: httpx.Response) -> Any:
    """Which API has answered."""
    assert answer.status_code == 200
    return answer.json()["role"]


@pytest.mark.parametrize("path", PAGES)
def test_each_page_of_the_client_is_its_one_file(origin: str, path: str) -> None:
    page = get(origin + path)
    assert (page.status_code, page.content) == (200, PAGE)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["X-Request-ID"]
    assert_of_the_client(page)
    only_head = httpx.head(origin + path, headers={"Accept-Encoding": "identity"})
    assert (only_head.status_code, only_head.content) == (200, b"")
    assert only_head.headers["Content-Length"] == str(len(PAGE))
    assert_of_the_client(only_head)


class Previews(BaseHTTPRequestHandler):
    """A Read API that answers `/u/200` with 200, and so on: a page with headers of its own."""

    def do_GET(self) -> None:
        last = self.path.rpartition("/")[2]
        self.send_response(int(last) if last.isdigit() else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        for name in ("Content-Security-Policy", "Referrer-Policy", "Cross-Origin-Opener-Policy"):
            self.send_header(name, "other")
        self.end_headers()
        self.wfile.write(PREVIEW)

    def log_message(self, format: str, *args: object) -> None:
        """Writes nothing: by default it logs to the terminal."""


PREVIEW = b"<!doctype html><title>Ada</title>"


@pytest.mark.parametrize("path", WITH_PREVIEW)
def test_the_read_api_is_asked_for_pages_with_a_preview(origin: str, path: str) -> None:
    assert role(get(origin + path)) == "read"
    assert httpx.head(origin + path).status_code == 200


def test_a_page_has_the_preview_that_the_read_api_puts_into_it(served: Callable[..., str]) -> None:
    origin = served(reads=Previews)
    for kind in ("u", "p"):
        page = get(f"{origin}/{kind}/200")
        assert (page.status_code, page.content) == (200, PREVIEW)
        assert page.headers.get_list("Cache-Control") == ["no-cache"]
        assert_of_the_client(page)


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_a_page_that_the_read_api_refuses_has_no_preview(
    served: Callable[..., str], status: int
) -> None:
    page = get(f"{served(reads=Previews)}/p/{status}")
    assert (page.status_code, page.content) == (200, PAGE)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["ETag"]
    # Search engines forget what is gone.
    assert page.headers.get("X-Robots-Tag") == ("noindex" if status == 404 else None)
    assert_of_the_client(page)


def test_a_page_is_there_though_no_read_api_can_be_reached(served: Callable[..., str]) -> None:
    origin = served(READ_API_UPSTREAMS=f"{HOST}:9")
    page = get(f"{origin}/p/1")
    assert (page.status_code, page.content) == (503, PAGE)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert_of_the_client(page)
    assert get(f"{origin}/api/v1/posts/1").json()["status"] == 503
    secure = served(READ_API_UPSTREAMS=f"{HOST}:9", PUBLIC_ORIGIN="https://feed.example.org")
    assert get(f"{secure}/p/1").json()["status"] == 503
    assert get(f"{secure}/p/1", X_Forwarded_Proto="https").content == PAGE


@pytest.mark.parametrize("path", OF_THE_API)
def test_all_other_paths_are_those_of_the_api(origin: str, path: str) -> None:
    assert get(origin + path).json() == {"role": "read", "method": "GET", "path": path}


@pytest.mark.parametrize("path", ["/", "/log-in", "/u/ada", "/favicon.svg"])
def test_other_methods_go_to_the_apis(origin: str, path: str) -> None:
    assert role(httpx.options(origin + path)) == "read"
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert role(httpx.request(method, origin + path)) == "write"


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("path", ["/", "/favicon.svg"])
def test_a_browser_that_has_the_page_gets_304(origin: str, path: str, encoding: str) -> None:
    first = get(origin + path, encoding)
    again = get(origin + path, encoding, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == "no-cache"
    assert_of_the_client(again)
    other = get(origin + path, encoding, If_None_Match='"other"')
    assert (other.status_code, other.content) == (200, first.content)


def test_the_etag_of_the_page_is_of_what_is_in_it(served: Callable[..., str], origin: str) -> None:
    """A browser shows the old page for ever, if two builds have the same time and size, and so the
    same ETag of the web server's own."""
    assert get(origin).headers["ETag"] == get(served()).headers["ETag"]
    assert len(get(origin).headers["ETag"]) == len('""') + 32


@pytest.mark.parametrize("path", ASSETS)
def test_an_asset_never_changes(origin: str, path: str) -> None:
    asset = get(origin + path)
    assert asset.status_code == 200
    assert asset.headers["Content-Type"] == ASSETS[path]
    assert asset.headers["Cache-Control"] == IMMUTABLE
    assert_of_the_client(asset)
    assert get(origin + path, If_None_Match=asset.headers["ETag"]).status_code == 304


@pytest.mark.parametrize("path", FILES)
def test_other_files_of_the_client_have_their_own_addresses(origin: str, path: str) -> None:
    file = get(origin + path)
    assert file.status_code == 200
    assert file.headers["Content-Type"] == FILES[path]
    assert file.headers["Cache-Control"] == "no-cache"
    assert_of_the_client(file)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_text_is_compressed_and_fonts_are_not(origin: str, encoding: str) -> None:
    for path, content in (("/", PAGE), (SCRIPT_PATH, SCRIPT)):
        with httpx.stream("GET", origin + path, headers={"Accept-Encoding": encoding}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["Content-Encoding"] == encoding
        assert "Accept-Encoding" in answer.headers.get_list("Vary", split_commas=True)
        assert len(raw) < len(content) / 2
        if encoding == "gzip":
            assert gzip.decompress(raw) == content
    assert "Content-Encoding" not in get(origin + FONT_PATH, encoding).headers


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/", "/assets/none.js", "/assets/none", "/assets/index-B1x_y-2z.js/"),
        *("/assets/index-B1x_y-2z.js/x", "/assets/.hidden", "/assets/assets/index-B1x_y-2z.js"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_asset_that_is_not_there_is_a_problem_and_no_page(
    origin: str, method: str, path: str
) -> None:
    missing = httpx.request(method, origin + path)
    assert missing.status_code == 404
    assert missing.headers["Content-Type"] == "application/problem+json"
    assert missing.headers["Content-Security-Policy"] == NOTHING
    assert "Cache-Control" not in missing.headers
    assert method == "HEAD" or missing.json()["status"] == 404


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_an_asset_is_only_read(origin: str, method: str) -> None:
    for path in (SCRIPT_PATH, "/assets/none.js"):
        answer = httpx.request(method, origin + path)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "Cache-Control" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_for_a_page_has_no_body(origin: str, method: str) -> None:
    for path in ("/log-in", SCRIPT_PATH):
        answer = ask(urlsplit(origin).port or 0, head(method, path, Content_Length=3), [b"abc"])
        assert answer.status == 400


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/../schema/openapi.json", "/assets/../../schema/openapi.json"),
        *("/assets/%2e%2e/schema/openapi.json", "/assets/%2e%2e/%2e%2e/schema/openapi.json"),
        *("/assets/..%2fschema%2fopenapi.json", "/assets/..%2f..%2fschema%2fopenapi.json"),
        *("/assets/%252e%252e/%252e%252e/schema/openapi.json", "/assets//..//..//sheet.css"),
        *("/assets/..\\..\\sheet.css", "/assets/%5c..%5c..%5csheet.css", "/assets/../index.html"),
        *("/assets/../web/index.html", "//sheet.css", "/../sheet.css", "/%2e%2e/sheet.css"),
        *("/static/web/index.html", "/static/web/assets/index-B1x_y-2z.js", "/static//web/"),
        *("/static/../web/index.html", "/static/%77eb/index.html", "/assets/%00", "/sheet.css"),
    ],
)
def test_no_path_leads_out_of_the_folder_or_into_it_by_another_way(origin: str, path: str) -> None:
    """Either the API is asked, which knows nothing of files, or there is nothing."""
    answer = ask(urlsplit(origin).port or 0, head("GET", path))
    if answer.status == 200:
        assert answer.json()["role"] == "read"
    else:
        assert answer.status in {400, 404}
        assert_problem(answer, answer.status)


@pytest.mark.parametrize(
    ("environ", "media", "store"),
    [
        (
            {"MEDIA_PUBLIC_BASE": "https://media.example.org/some/path"},
            "https://media.example.org",
            "https://s3.example.org:9000",
        ),
        ({"MEDIA_PUBLIC_BASE": ""}, "https://s3.example.org:9000", "https://s3.example.org:9000"),
        (
            {
                "MEDIA_PUBLIC_BASE": "https://cdn.example.org",
                "S3_UPLOAD_URL": "https://up.example.org/",
            },
            "https://cdn.example.org",
            "https://up.example.org",
        ),
    ],
)
def test_the_policy_names_the_origins_of_the_media_and_of_the_store(
    served: Callable[..., str], environ: dict[str, str], media: str, store: str
) -> None:
    origin = served(**{"S3_ENDPOINT_URL": "https://s3.example.org:9000/"} | environ)
    for path in ("/", SCRIPT_PATH, "/favicon.svg"):
        assert policy(get(origin + path)) == {
            "default-src": {"'none'"},
            "script-src": {"'self'"},
            "style-src": {"'self'"},
            "img-src": {"'self'", "blob:", media, store},
            "media-src": {"blob:", media, store},
            "connect-src": {"'self'", store},
            "font-src": {"'self'"},
            "manifest-src": {"'self'"},
            "worker-src": {"'self'"},
            "base-uri": {"'none'"},
            "form-action": {"'self'"},
            "frame-ancestors": {"'none'"},
        }
    # A browser connects to it while the scripts load.
    assert get(f"{origin}/").headers["Link"] == f"<{media}>; rel=preconnect"


def test_where_the_client_is_not_built_the_read_api_answers(served: Callable[..., str]) -> None:
    origin = served(built=False)
    for path in ("/", "/log-in", "/u/ada", "/favicon.svg"):
        assert role(get(origin + path)) == "read"
        assert role(httpx.post(origin + path)) == "write"
    assert get(f"{origin}{SCRIPT_PATH}").status_code == 404
    assert get(f"{origin}/static/sheet.css").status_code == 200


def test_a_page_that_is_for_tls_is_not_sent_without_it(served: Callable[..., str]) -> None:
    """The Read API then redirects. A load balancer before the web server may end TLS."""
    origin = served(PUBLIC_ORIGIN="https://feed.example.org")
    assert role(get(f"{origin}/log-in")) == "read"
    assert role(get(f"{origin}/log-in", X_Forwarded_Proto="http")) == "read"
    page = get(f"{origin}/log-in", X_Forwarded_Proto="https")
    assert page.content == PAGE
    assert page.headers[HSTS] == "max-age=31536000; includeSubDomains"
    assert get(origin + SCRIPT_PATH).headers[HSTS] == page.headers[HSTS]


@pytest.mark.parametrize(("seconds", "said"), [("3600", "max-age=3600; includeSubDomains")])
def test_the_time_of_https_alone_is_that_of_the_apis(
    served: Callable[..., str], seconds: str, said: str
) -> None:
    public = "https://feed.example.org"
    first = get(f"{served(PUBLIC_ORIGIN=public, HSTS_SECONDS=seconds)}{SCRIPT_PATH}")
    assert first.headers[HSTS] == said
    silent = get(f"{served(PUBLIC_ORIGIN=public, HSTS_SECONDS='0')}{SCRIPT_PATH}")
    assert HSTS not in silent.headers
    assert HSTS not in get(f"{served(PUBLIC_ORIGIN=f'http://{HOST}')}{SCRIPT_PATH}").headers

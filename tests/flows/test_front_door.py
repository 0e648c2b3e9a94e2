"""What a person sees who has just started the stack."""

import html
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.layout import HOST
from devstack.lifecycle import Stack
from tests.conftest import ALL_DATABASES
from tests.support.client import Person
from tests.support.production import ROLES
from tests.support.raw_http import ask, head


@pytest.fixture
def origin(stack: Stack) -> str:
    return stack.layout.public_origin


def test_the_front_page_leads_to_the_docs_the_admin_and_the_health_page(origin: str) -> None:
    page = httpx.get(f"{origin}/developers/")
    assert page.headers["Content-Type"].startswith("text/html")
    links = re.findall(r'href="(/[^"]*)"', page.text)
    assert {"/", "/api/docs/", "/admin/", "/healthz/live", "/api/schema/"} <= set(links)
    for link in links:
        assert httpx.get(origin + link, follow_redirects=True).status_code == 200, link


def test_where_the_web_server_has_no_client_its_address_leads_to_the_front_page(
    stack: Stack,
) -> None:
    reads, writes = (f"http://{HOST}:{stack.layout.port(f'{role}-api')}/" for role in ROLES)
    for method in ("GET", "HEAD"):
        answer = httpx.request(method, reads)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/developers/")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert httpx.request(method, writes).status_code == 405


def test_the_curl_lines_of_the_front_page_work_when_pasted(origin: str, tmp_path: Path) -> None:
    page = httpx.get(f"{origin}/developers/").text
    match = re.search(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert match
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=html.unescape(match[1]).replace("users/demo/follow", "users/$ME/follow"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [*documents(done.stdout)]
    me, found, liked, comment, post, oneself, home = answers
    assert me["username"].startswith("guest")
    assert "results" in found
    assert liked == {"liked": True, "counts": {"likes": 1, "comments": 0}}
    assert post["caption"] == "Low tide."
    assert comment["text"] == "Nobody else was up."
    assert [one["id"] for one in post["recent_comments"]] == [comment["id"]]
    assert post["counts"] == {"likes": 1, "comments": 1}
    assert post["viewer"] == {"liked": True}
    assert oneself["status"] == 400, "there is no demo user here, so the test follows itself"
    assert home["results"][0] == post


def documents(text: str) -> list[Any]:
    """The JSON documents in a text, with or without line breaks between them."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


@pytest.mark.parametrize("page", ["verify-email", "password-reset"])
def test_the_pages_behind_the_links_in_mails_do_not_trust_their_key(origin: str, page: str) -> None:
    answer = httpx.get(f"{origin}/account/{page}/%3C%2Fscript%3E%3Cscript%3Ealert(1)")
    assert answer.status_code in {200, 404}
    assert "<script>alert" not in answer.text


def test_the_web_server_sends_reads_to_the_read_api_and_writes_to_the_write_api(
    origin: str, signed_up: Callable[[str], Person]
) -> None:
    assert httpx.get(f"{origin}/healthz/live").json()["role"] == "read"
    ada, bob = signed_up("ada"), signed_up("bob")
    # Only the Write API sends LSNs. The Read API would answer 405.
    assert "Consistency-Token" not in ada.http.get("/api/v1/timeline/home").headers
    followed = ada.http.put(f"/api/v1/users/{bob.username}/follow")
    assert followed.status_code == 200
    assert "Consistency-Token" in followed.headers


def test_a_chunked_body_is_understood(signed_up: Callable[[str], Person]) -> None:
    chunks = (part for part in (b'{"bio": ', b'"In parts."}'))
    answer = signed_up("ada").http.patch(
        "/api/v1/users/me", content=chunks, headers={"Content-Type": "application/json"}
    )
    assert answer.json()["bio"] == "In parts."


def test_a_probe_may_call_an_instance_by_any_address(stack: Stack) -> None:
    for name in ("read-api-1", "write-api-1"):
        (instance,) = stack.status(name)
        for page in ("live", "ready", "accepting"):
            answer = httpx.get(f"{instance.url}/healthz/{page}", headers={"Host": "10.0.0.7:80"})
            assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/healthz/ready", "/healthz/accepting", "/healthz/%72eady", "/%6detrics"),
        *("//metrics", "/./healthz/ready", "/x/../healthz/ready", "/HEALTHZ/READY"),
        *("/metrics/", "/healthz/ready/", "/healthz/ready?x=1", "/healthz//ready"),
    ],
)
def test_what_is_for_operators_is_not_for_the_public(stack: Stack, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        answer = ask(stack.layout.port("caddy"), head(method, path))
        assert answer.status in (404, 405), method
        assert b"checks" not in answer.content
        assert b"socialfeed_" not in answer.content


def test_anybody_may_ask_whether_the_service_answers(origin: str) -> None:
    assert httpx.get(f"{origin}/healthz/live").json()["checks"] == {"live": True}


def test_the_health_page_of_an_instance_names_each_check(stack: Stack) -> None:
    for name in ("read-api-1", "write-api-1"):
        (instance,) = stack.status(name)
        checks = httpx.get(f"{instance.url}/healthz/ready").json()["checks"]
        assert checks == dict.fromkeys(["accepting", "state", *ALL_DATABASES], True)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "PROPFIND", "LINK", "get", "PURGE"])
def test_a_method_that_no_address_has_is_refused_everywhere(stack: Stack, method: str) -> None:
    paths = ["/", "/admin/", "/admin/login/", "/api/docs/", "/api/schema/", "/healthz/live"]
    paths += ["/log-in", "/assets/none.js", "/favicon.svg", "/developers/"]
    paths += ["/static/socialfeed/sample.jpg", "/api/v1/timeline/home", "/api/v1/posts/1/like"]
    paths += ["/_allauth/app/v1/auth/login", "/account/verify-email/a", "/nowhere", "/metrics"]
    for path in paths:
        answer = ask(stack.layout.port("caddy"), head(method, path))
        assert answer.status == 405, path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "POST" in answer.headers["Allow"]
        for role in ("read", "write") if method.isupper() else ():
            answer = ask(stack.layout.port(f"{role}-api"), head(method, path))
            assert answer.status == 405 or path.startswith(("/static", "/api/schema")), path

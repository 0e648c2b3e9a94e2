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

from devstack.lifecycle import Stack
from tests.conftest import ALL_DATABASES
from tests.support.client import Person


@pytest.fixture
def origin(stack: Stack) -> str:
    return stack.layout.public_origin


def test_the_front_page_leads_to_the_docs_the_admin_and_the_health_page(origin: str) -> None:
    page = httpx.get(origin)
    assert page.headers["Content-Type"].startswith("text/html")
    links = re.findall(r'href="(/[^"]*)"', page.text)
    assert {"/api/docs/", "/admin/", "/healthz/ready", "/api/schema/"} <= set(links)
    for link in links:
        assert httpx.get(origin + link, follow_redirects=True).status_code == 200, link


def test_the_curl_lines_of_the_front_page_work_when_pasted(origin: str, tmp_path: Path) -> None:
    match = re.search(r"<pre>(.*?)</pre>", httpx.get(origin).text, re.DOTALL)
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
    me, found, comment, post, oneself, home = answers
    assert me["username"].startswith("guest")
    assert "results" in found
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
    assert followed.status_code == 204
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


def test_metrics_are_not_for_the_public(origin: str) -> None:
    answer = httpx.get(f"{origin}/metrics")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_health_page_names_each_check(origin: str) -> None:
    checks = httpx.get(f"{origin}/healthz/ready").json()["checks"]
    assert checks == dict.fromkeys(["accepting", "state", *ALL_DATABASES], True)

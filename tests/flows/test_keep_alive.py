"""A request whose answer needs no body does not break the connection for the next one."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx

from devstack.lifecycle import Stack
from tests.support.client import http_client

REQUESTS, THREADS, STRANGERS = 2000, 4, 2
BODY = b"x" * 300_000
# Each is answered before its body is looked at, or without looking at it.
EARLY = (
    ("POST", "/api/v1/posts", 401),
    ("POST", "/api/v1/media", 401),
    ("PATCH", "/api/v1/users/me", 401),
    ("DELETE", "/api/v1/users/me", 401),
    ("POST", "/api/v1/nowhere", 404),
    ("PUT", "/api/v1/posts", 405),
    ("POST", "/_allauth/app/v1/auth/login", 400),
    ("POST", "/admin/login/", 403),
)


def chunks() -> list[bytes]:
    return [BODY[:100_000], BODY[100_000:]]


def test_strangers_break_no_request_of_others(
    stack: Stack, measured: Callable[[str], None]
) -> None:
    stop, origin = Event(), stack.layout.public_origin

    def disturb(number: int) -> Counter[tuple[str, str, int]]:
        seen: Counter[tuple[str, str, int]] = Counter()
        with http_client(origin) as http:
            while not stop.is_set():
                for method, path, _ in EARLY:
                    content = iter(chunks()) if number % 2 else BODY
                    answer = http.request(method, path, content=content)
                    seen[method, path, answer.status_code] += 1
        return seen

    def ask(number: int) -> int:
        return client.post("/api/v1/posts", json={"caption": f"No. {number}"}).status_code

    with (
        http_client(origin) as client,
        ThreadPoolExecutor(STRANGERS) as pool,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        strangers = [pool.submit(disturb, number) for number in range(STRANGERS)]
        try:
            statuses = Counter(threads.map(ask, range(REQUESTS)))
        finally:
            stop.set()
        seen = sum((stranger.result() for stranger in strangers), Counter[tuple[str, str, int]]())
    measured(f"{REQUESTS - statuses[401]} of {REQUESTS:,} broken beside {seen.total():,} others")
    assert statuses == {401: REQUESTS}
    # Log-ins are limited.
    assert {one for one in seen if one[2] != 429} <= {*EARLY}


def test_a_connection_stays_open_after_an_early_answer(stack: Stack) -> None:
    for method, path, status in EARLY:
        for content in (BODY, chunks()):
            with httpx.Client(base_url=f"http://127.0.0.1:{stack.layout.port('write-api')}") as api:
                answer = api.request(method, path, content=content)
                assert answer.status_code in (status, 429)
                assert "close" not in answer.headers.get("Connection", "")
                assert api.get("/healthz/live").status_code == 200

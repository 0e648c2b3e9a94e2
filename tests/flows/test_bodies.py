"""Bodies that are slow or stalled, through the web server."""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from django.conf import settings
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from core.http.bodies import MAX_BODY_BYTES
from devstack.instances import DEFAULTS
from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.images import encoded
from tests.support.raw_http import (
    Answer,
    ask,
    assert_problem,
    chunk,
    head,
    is_answered,
    opened,
    read_answer,
)

LOGIN = "/_allauth/app/v1/auth/login"
ME = "/api/v1/users/me"
MEDIA = "/api/v1/media"
JSON = "application/json"
PATIENCE = settings.BODY_PATIENCE_SECONDS
# An address that sends nothing large: what others have sent slows it down at no time.
UNPACED = "127.0.0.9"
# A body that began well is given up at the end of its second period.
SECONDS_TO_408 = 2 * PATIENCE + 3
WRITE_APIS = [f"write-api-{number}" for number in range(1, DEFAULTS["write-api"] + 1)]
STALLED, STALLED_BYTES = 60, 1_000_000


def upload_of(content: bytes, token: str) -> tuple[bytes, bytes]:
    """The head and the body of an upload."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        + content
        + b"\r\n--b--\r\n"
    )
    kind = "multipart/form-data; boundary=b"
    length = len(body)
    return head("POST", MEDIA, Authorization=token, Content_Type=kind, Content_Length=length), body


def noise() -> bytes:
    """A JPEG of about 200 kB."""
    return encoded(Image.frombytes("RGB", (256, 256), Random(1).randbytes(3 * 256 * 256)))


def pieces(body: bytes, count: int) -> Iterator[bytes]:
    size = -(-len(body) // count)
    for start in range(0, len(body), size):
        yield body[start : start + size]


SLOW: dict[str, tuple[str, dict[str, Any], list[bytes]]] = {
    "nothing": ("POST", {"Content_Length": 5000}, []),
    "a few bytes": ("POST", {"Content_Length": 5000}, [b"abc"]),
    "a fast start": ("POST", {"Content_Length": 900_000}, [bytes(500_000)]),
    "a trickle": ("POST", {"Content_Length": 5000}, [b"x"] * 1000),
    "a chunk": ("POST", {"Transfer_Encoding": "chunked"}, [chunk(b"abc")]),
    "trickling chunks": ("PATCH", {"Transfer_Encoding": "chunked"}, [chunk(b"x")] * 1000),
    "of a DELETE": ("DELETE", {"Content_Length": 5000}, [b"abc"]),
}


@pytest.fixture(scope="module")
def answers(stack: Stack) -> dict[str, Answer]:
    """The answers to all SLOW bodies, which are sent at the same time."""
    port = stack.layout.port("caddy")

    def answer(what: str) -> Answer:
        method, headers, parts = SLOW[what]
        first = head(method, LOGIN if method == "POST" else ME, Content_Type=JSON, **headers)
        return ask(port, first, parts, gap=0.05, patience=SECONDS_TO_408, sender=UNPACED)

    with ThreadPoolExecutor(len(SLOW)) as pool:
        return dict(zip(SLOW, pool.map(answer, SLOW), strict=True))


@pytest.mark.parametrize("what", SLOW)
def test_a_body_that_stops_coming_is_answered_408(answers: dict[str, Answer], what: str) -> None:
    answer = answers[what]
    assert_problem(answer, 408, "too slowly", str(settings.MIN_BODY_BYTES_PER_SECOND))
    assert answer.headers["Connection"] == "close"
    assert answer.seconds >= PATIENCE - 0.1


def test_a_slow_upload_that_goes_on_is_stored(
    port: int, signed_up: Callable[[str], Person]
) -> None:
    """It takes three periods and more; each brings about four times the least."""
    first, body = upload_of(noise(), signed_up("ada").http.headers["Authorization"])
    seconds, count = 3.5 * PATIENCE, 100
    answer = ask(port, first, pieces(body, count), gap=seconds / count)
    assert answer.status == 201, answer
    assert answer.seconds > 3 * PATIENCE


def memory_of(stack: Stack) -> float:
    """The resident memory of the web server and of the Write API, in MB."""
    mains = [psutil.Process(one.pid) for one in stack.status() if one.pid and _stores(one.name)]
    processes = [each for main in mains for each in (main, *main.children(recursive=True))]
    return sum(process.memory_info().rss for process in processes) / 1e6


def _stores(name: str) -> bool:
    return name == "caddy" or name.startswith("write-api")


def test_uploads_that_stall_take_no_thread_and_little_memory(
    stack: Stack,
    port: int,
    signed_up: Callable[[str], Person],
    measured: Callable[[str], None],
) -> None:
    ada = signed_up("ada")

    def write() -> float:
        began = time.monotonic()
        assert ada.http.patch(ME, json={"bio": "Low tide."}).status_code == 200
        return time.monotonic() - began

    first, body = upload_of(bytes(11_000_000), ada.http.headers["Authorization"])
    least = bytes(settings.MIN_BODY_BYTES_PER_SECOND)
    idle = [write() for _ in range(20)]
    before, stop, connections = memory_of(stack), threading.Event(), list[socket.socket]()

    def go_on() -> None:
        """Send just enough on each connection."""
        while not stop.wait(0.5):
            for connection in list(connections):
                connection.sendall(least)

    with ExitStack() as stalled, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(go_on)
        try:
            for _ in range(STALLED):
                opening = opened(port, first, body[:STALLED_BYTES])
                connections.append(stalled.enter_context(opening))
            busy = [write() for _ in range(40)]
            grown = memory_of(stack) - before
        finally:
            stop.set()
        sending.result()
    measured(
        f"{STALLED} stalled uploads of {STALLED_BYTES / 1e6:.0f} MB each: {grown:.0f} MB more "
        f"memory; a write took {median(busy) * 1000:.0f} ms, and {median(idle) * 1000:.0f} ms idle"
    )
    assert grown < STALLED * STALLED_BYTES / 1e6 / 4
    assert max(busy) < 5


def unread(stack: Stack, role: str) -> Counter[tuple[str, str]]:
    """How many requests the instances have answered whose bodies they did not read."""
    found = Counter[tuple[str, str]]()
    for number in range(1, DEFAULTS["write-api"] + 1):
        (instance,) = stack.status(f"{role}-api-{number}")
        page = httpx.get(f"{instance.url}/metrics").text
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                labels = sample.labels
                if (sample.name, labels.get("route")) == ("socialfeed_requests_total", "unread"):
                    assert labels["role"] == role
                    found[labels["method"], labels["status"]] += int(sample.value)
    return found


def test_answers_to_requests_whose_bodies_are_not_read_are_counted(stack: Stack) -> None:
    before = {role: unread(stack, role) for role in ("read", "write")}
    reads, writes = stack.layout.port("read-api"), stack.layout.port("write-api")
    for method in ("GET", "HEAD", "OPTIONS"):
        assert ask(reads, head(method, "/", Content_Length=5)).status == 400
    assert ask(writes, head("PUT", ME, Content_Length=MAX_BODY_BYTES + 1)).status == 413
    assert ask(writes, head("BREW", ME, Transfer_Encoding="chunked") + b"zz\r\n").status == 400
    assert ask(writes, head("POST", LOGIN, Content_Length=5), patience=SECONDS_TO_408).status == 408
    after = {role: unread(stack, role) - before[role] for role in before}
    assert after["read"] == {("GET", "400"): 1, ("HEAD", "400"): 1, ("OPTIONS", "400"): 1}
    assert after["write"] == {("PUT", "413"): 1, ("other", "400"): 1, ("POST", "408"): 1}


def test_an_address_that_sends_on_many_connections_ends_only_its_own(
    port: int, signed_up: Callable[[str], Person]
) -> None:
    first, body = upload_of(noise(), signed_up("ada").http.headers["Authorization"])
    start = head("POST", LOGIN, Content_Type=JSON, Content_Length=900_000)
    ours = [f"127.0.0.{number}" for number in (2, 3, 4, 5)]
    with ExitStack() as open_ones:
        # Nearly all of each comes in its first period, and they pause for less than the second.
        honest = [
            open_ones.enter_context(opened(port, first, body[:-5], sender=sender))
            for sender in ours
        ]
        began = time.monotonic()
        connections = list[socket.socket]()
        for _ in range(2 * settings.MAX_BODIES_ARRIVING + 60):
            connections.append(open_ones.enter_context(opened(port, start)))
            for connection in connections[-8:]:
                with suppress(OSError):  # it was given up
                    connection.sendall(bytes(16_384))
        wait_until(lambda: sum(map(is_answered, connections)) >= 20, PATIENCE)
        ended = [connection for connection in connections if is_answered(connection)]
        assert time.monotonic() - began < 2 * PATIENCE, "the machine is too slow for this test"
        for connection in honest:
            connection.sendall(body[-5:])
            assert read_answer(connection).status == 201
        assert {read_answer(connection).status for connection in ended} == {503}


def abandoned(stack: Stack) -> int:
    """How many connections to the Write API are open at its side only.

    Its own connections to a server that has restarted look the same, and stay until it uses them.
    """
    ports = {urlsplit(stack.status(name)[0].url).port for name in WRITE_APIS}
    return sum(
        connection.status == psutil.CONN_CLOSE_WAIT and connection.laddr.port in ports
        for process in write_workers(stack)
        for connection in process.net_connections("tcp")
    )


def write_workers(stack: Stack) -> list[psutil.Process]:
    apis = [psutil.Process(stack.status(name)[0].pid) for name in WRITE_APIS]
    return [child for api in apis for child in api.children()]


def test_more_bodies_than_allowed_end_the_most_silent_ones(
    stack: Stack, port: int, signed_up: Callable[[str], Person]
) -> None:
    # Bodies of other tests' clients, who have gone, would be ended as well.
    # They are read at a pace until their end is seen.
    wait_until(lambda: not abandoned(stack), 90)
    before = unread(stack, "write")
    first, body = upload_of(noise(), signed_up("ada").http.headers["Authorization"])
    start = head("POST", LOGIN, Content_Type=JSON, Content_Length=5000)
    silent = 2 * settings.MAX_BODIES_ARRIVING + 40  # of two instances
    with ExitStack() as open_ones:
        active = open_ones.enter_context(opened(port, first))
        connections = list[socket.socket]()
        for piece in pieces(body, silent):
            active.sendall(piece)
            connections.append(open_ones.enter_context(opened(port, start)))
        assert read_answer(active).status == 201, "who goes on sending is not ended"
        answers = [read_answer(connection) for connection in connections]
    assert {answer.status for answer in answers} == {408, 503}
    refused = [answer for answer in answers if answer.status == 503]
    assert_problem(refused[0], 503, "Try again")
    assert int(refused[0].headers["Retry-After"]) > 0
    assert (unread(stack, "write") - before)["POST", "503"] == len(refused)


def test_more_bodies_than_allowed_that_all_go_on_end_no_process(stack: Stack, port: int) -> None:
    before = {process.pid for process in write_workers(stack)}
    start = head("POST", LOGIN, Content_Type=JSON, Transfer_Encoding="chunked")
    with ExitStack() as open_ones:
        connections = [
            open_ones.enter_context(opened(port, start))
            for _ in range(2 * settings.MAX_BODIES_ARRIVING + 60)
        ]
        for _ in range(5):
            for connection in connections:
                with suppress(OSError):  # it was given up
                    connection.sendall(chunk(b"x"))
    assert {process.pid for process in write_workers(stack)} == before


def test_large_bodies_of_one_address_are_read_no_faster_than_allowed(
    stack: Stack, port: int, signed_up: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    """One address sends five bodies of 6 MB at once; others are not slowed down."""
    token = signed_up("ada").http.headers["Authorization"]
    first, body = upload_of(bytes(6_000_000), token)
    direct, count = stack.layout.port("write-api"), 5

    def seconds(address: str, content: bytes) -> float:
        sent = first.replace(b"\r\n", f"\r\nX-Forwarded-For: {address}\r\n".encode(), 1)
        answer = ask(direct, sent, [content])
        assert answer.status in (415, 429, 503), answer
        return answer.seconds

    with ThreadPoolExecutor(count) as pool:
        began = time.monotonic()
        busy = [pool.submit(seconds, "198.51.100.1", body) for _ in range(count)]
        others = [seconds(f"198.51.100.{number}", body) for number in (2, 3)]
        for one in busy:
            one.result()
        took = time.monotonic() - began
    least = (count * len(body) - MAX_BODY_BYTES) / settings.MAX_BODY_BYTES_PER_SECOND
    measured(
        f"{count} bodies of 6 MB: {took:.1f} s; at least {least:.1f} s are wanted; beside them "
        f"another address sent one in {max(others):.1f} s"
    )
    assert took > 0.9 * least
    assert max(others) < least / 2


def temporary_files(worker: psutil.Process) -> int:
    """The number of a process' open files that have no name: bodies, and one of gunicorn's."""
    count = 0
    for link in Path(f"/proc/{worker.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since the folder was read
            count += os.readlink(link).endswith("(deleted)")
    return count


def test_clients_that_go_away_leave_nothing_behind(stack: Stack, port: int) -> None:
    (api,) = stack.status("write-api-1")
    (worker,) = psutil.Process(api.pid).children()
    start = head("POST", LOGIN, Content_Type=JSON, Content_Length=200_000)
    # Bodies of other tests' clients would be counted, and go meanwhile.
    # They are read at a pace until their end is seen.
    wait_until(lambda: not abandoned(stack), 90)
    before, files = worker.num_fds(), temporary_files(worker)
    with ExitStack() as stalled:
        for _ in range(40):
            stalled.enter_context(opened(port, start, bytes(100_000)))
        wait_until(lambda: temporary_files(worker) >= files + 10)
    wait_until(lambda: temporary_files(worker) <= files, PATIENCE)
    wait_until(lambda: worker.num_fds() < before + 5, PATIENCE)


def test_a_restart_lets_a_body_arrive(stack: Stack, signed_up: Callable[[str], Person]) -> None:
    first, body = upload_of(noise(), signed_up("ada").http.headers["Authorization"])
    instance = stack.layout.port("write-api")
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(ask, instance, first, pieces(body, 50), gap=0.1)
        wait_until(upload.running)
        stack.restart(["write-api-1"])
        answer = upload.result()
    assert answer.status == 201, answer
    assert answer.seconds > 5


def test_a_restart_answers_a_body_that_stalls(stack: Stack) -> None:
    start = head("POST", LOGIN, Content_Type=JSON, Content_Length=200_000)
    with opened(stack.layout.port("write-api"), start, bytes(100_000)) as stalled:
        stalled.settimeout(2 * SECONDS_TO_408)
        with ThreadPoolExecutor(1) as pool:
            restart = pool.submit(stack.restart, ["write-api-1"])
            answer = read_answer(stalled)
            restart.result()
    assert answer.status in (408, 503), answer

"""HTTP load from one thread, as an open or a closed loop, with little CPU of its own.

Requests are prepared bytes, and answers are not parsed.
"""

import asyncio
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress

from devstack.layout import HOST
from tests.chaos.history import Read

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_BODILESS = frozenset({204, 304})
_held: list[bytes] = []
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def get(path: str, *, token: str, port: int) -> bytes:
    """A GET request as a client sends it to the web server."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def open_loop(
    port: int, requests: Sequence[bytes], *, rate: float, seconds: float, patience: float
) -> list[Read]:
    """Start `rate` requests a second by the clock, whether or not earlier ones are answered.

    Each request is given up after `patience` seconds, and its connection is closed.
    """
    return asyncio.run(_open_loop(port, requests, rate=rate, seconds=seconds, patience=patience))


def closed_loop(
    port: int, requests: Sequence[bytes], *, at_once: int, seconds: float, patience: float
) -> list[Read]:
    """Run `at_once` clients. Each sends its next request as soon as it has its answer."""
    return asyncio.run(
        _closed_loop(port, requests, at_once=at_once, seconds=seconds, patience=patience)
    )


def hold(messages: Sequence[bytes]) -> None:
    """Keep requests in this process, for `closed_loop_of_held`. To send them to it takes time."""
    _held.extend(messages)


def closed_loop_of_held(port: int, *, at_once: int, seconds: float, patience: float) -> list[Read]:
    """The closed loop with the requests that this process holds."""
    return closed_loop(port, _held, at_once=at_once, seconds=seconds, patience=patience)


def yield_to_all() -> None:
    """Let this process run only while no other process wants the core."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


async def _open_loop(
    port: int, requests: Sequence[bytes], *, rate: float, seconds: float, patience: float
) -> list[Read]:
    reads: list[Read] = []
    idle: list[Connection] = []
    began = time.monotonic()

    async def ask(number: int) -> None:
        reads.append(await _read(port, idle, requests[number % len(requests)], patience))

    async with asyncio.TaskGroup() as asking:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            asking.create_task(ask(number))
    _close(idle)
    return reads


async def _closed_loop(
    port: int, requests: Sequence[bytes], *, at_once: int, seconds: float, patience: float
) -> list[Read]:
    reads: list[Read] = []
    until = time.monotonic() + seconds

    async def ask(first: int) -> None:
        idle: list[Connection] = []
        number = first
        while time.monotonic() < until:
            message = requests[number % len(requests)]
            reads.append(await _read(port, idle, message, patience))
            number += at_once
        _close(idle)

    async with asyncio.TaskGroup() as asking:
        for number in range(at_once):
            asking.create_task(ask(number))
    return reads


async def _read(port: int, idle: list[Connection], message: bytes, patience: float) -> Read:
    start, status = time.monotonic(), 0
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(patience):
            connection = idle.pop() if idle else await asyncio.open_connection(HOST, port)
            status = await _answer(connection, message)
            idle.append(connection)
    return Read(status, start, time.monotonic())


def _close(connections: Sequence[Connection]) -> None:
    for _, writer in connections:
        writer.close()


async def _answer(connection: Connection, message: bytes) -> int:
    """Read a whole answer and return its status. On an error, close the connection and raise."""
    reader, writer = connection
    try:
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(maxsplit=2)[1])
        length = _LENGTH.search(head)
        assert length or status in _BODILESS, head
        await reader.readexactly(int(length[1]) if length else 0)
    except BaseException:
        writer.transport.abort()
        raise
    return status

"""Clients that send prepared requests through the web server, each as soon as it has its answer."""

import math
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from tests.benchmarks.wire import Connection


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was answered: the status, and the bytes of both."""

    status: int
    bytes_in: int
    bytes_out: int


def send_each(port: int, messages: Iterable[bytes], *, at_once: int) -> list[Sent]:
    """Send each message once, by so many clients."""
    return _send(port, iter(messages), at_once, until=math.inf)


def send_for(port: int, messages: Iterator[bytes], *, at_once: int, seconds: float) -> list[Sent]:
    """Send messages, by so many clients, for so long."""
    return _send(port, messages, at_once, until=time.monotonic() + seconds)


def _send(port: int, messages: Iterator[bytes], at_once: int, *, until: float) -> list[Sent]:
    lock = Lock()

    def client() -> list[Sent]:
        found = []
        with Connection(port) as connection:
            while time.monotonic() < until:
                with lock:
                    message = next(messages, None)
                if message is None:
                    break
                answer = connection.ask(message)
                size = len(answer.head) + len(answer.body) + 4
                found.append(Sent(answer.status, len(message), size))
        return found

    with ThreadPoolExecutor(at_once) as pool:
        clients = [pool.submit(client) for _ in range(at_once)]
        return [sent for one in clients for sent in one.result()]

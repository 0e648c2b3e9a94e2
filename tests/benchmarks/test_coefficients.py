"""How costs are made from what was metered, without a server."""

import socket
from itertools import count
from threading import Thread

import pytest

from devstack.layout import HOST
from tests.benchmarks.coefficients import Total, _significant
from tests.benchmarks.crowd import Sent, send_each, send_for
from tests.benchmarks.meters import Used

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def used(seconds: float, cpu: float, commands: float, wal: int) -> Used:
    return Used(
        seconds=seconds,
        cpu={"read-api": cpu},
        valkey={"cache": {"commands": commands}},
        wal_bytes=wal,
    )


def test_what_is_used_without_requests_is_not_their_cost() -> None:
    """Two blocks of 2 s and of 1 s, with 10 requests in all; idle, 4 s take 0.04 s of CPU time."""
    idle = used(4.0, 0.04, 8, 400)
    total = Total()
    total.add([Sent(200, 100, 1000)] * 8, used(2.0, 0.10, 84, 1000), idle)
    total.add([Sent(200, 200, 2000)] * 2, used(1.0, 0.03, 22, 100), idle)
    cost = total.cost(sql=3)
    assert cost.n == 10
    assert cost.cpu_us["read-api"] == pytest.approx((0.13 - 0.03) / 10 * 1e6)
    assert cost.valkey["cache"]["commands"] == pytest.approx((106 - 6) / 10)
    assert total.wal_bytes == pytest.approx(1100 - 300)
    assert (cost.bytes_in, cost.bytes_out, cost.sql) == (120, 1200, 3)


def test_noise_is_no_cost() -> None:
    """Many small differences, times many requests a second, would be cores."""
    found = _significant({"read-api": 1000.0, "worker": 9.0, "beat": -3.0, "valkey-cache": 50.0})
    assert found == {"read-api": 1000.0, "worker": 0.0, "beat": 0.0, "valkey-cache": 50.0}


@pytest.fixture
def port() -> int:
    """A server that answers each request, of any number of clients, with `ok`."""
    server = socket.create_server((HOST, 0))

    def answer(client: socket.socket) -> None:
        with client:
            while client.recv(1000):
                client.sendall(ANSWER)

    def serve() -> None:
        for _ in range(3):
            Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
        server.close()

    Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_each_message_is_sent_once(port: int) -> None:
    sent = send_each(port, [b"x" * size for size in (1, 2, 3, 4)], at_once=3)
    assert sorted(one.bytes_in for one in sent) == [1, 2, 3, 4]
    assert {(one.status, one.bytes_out) for one in sent} == {(200, len(ANSWER))}


def test_messages_are_sent_until_the_time_is_over(port: int) -> None:
    numbers = count()
    sent = send_for(port, (b"%d" % number for number in numbers), at_once=3, seconds=0.2)
    assert 3 <= len(sent) <= next(numbers)

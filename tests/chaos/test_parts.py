"""The parts of the suite that need no stack: schedule, proxy, report, command line."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from threading import Thread

import pytest

from devstack.layout import HOST, PROJECT_DIR
from tests.chaos import report
from tests.chaos.client import Client, Member
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.report import Figure, Report
from tests.chaos.schedule import schedule
from tests.support.measured_docs import markers
from users.models import User

FAULTS = ["a", "b", "c"]


def test_the_same_seed_plans_the_same_faults() -> None:
    first, again, other = (
        list(islice(schedule(seed=seed, faults=FAULTS, every=2.0), 30)) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other
    # Each fault comes once a round, at about the right rate.
    for number in range(0, 30, 3):
        assert sorted(plan.fault for plan in first[number : number + 3]) == FAULTS
    assert 40 < first[-1].at < 80
    assert [plan.at for plan in first] == sorted(plan.at for plan in first)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of an echo server."""

    def serve(connection: socket.socket) -> None:
        # The proxy resets connections in mode CUT.
        with connection, suppress(ConnectionResetError):
            while piece := connection.recv(1024):
                connection.sendall(piece)

    def accept(listener: socket.socket) -> None:
        threads = []
        while True:
            connection, _ = listener.accept()
            if connection.recv(1, socket.MSG_PEEK) == b"!":
                connection.close()
                break
            threads.append(Thread(target=serve, args=[connection]))
            threads[-1].start()
        for thread in threads:
            thread.join()

    with socket.create_server((HOST, 0)) as listener:
        thread = Thread(target=accept, args=[listener])
        thread.start()
        port: int = listener.getsockname()[1]
        yield port
        with socket.create_connection((HOST, port)) as last:
            last.sendall(b"!")
            thread.join()


def said(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(1024)


def test_a_proxy_passes_delays_swallows_and_cuts_what_is_connected(echo: int) -> None:
    with (
        Proxy(echo) as proxy,
        closing(socket.create_connection((HOST, proxy.port), timeout=5)) as client,
    ):
        assert said(client, b"pass") == b"pass"

        proxy.switch(Mode.DELAY, delay=0.1)
        began = time.monotonic()
        assert said(client, b"delay") == b"delay"
        assert time.monotonic() - began >= 0.2

        proxy.switch(Mode.BLACKHOLE)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            said(client, b"held")
        # Held bytes arrive once the proxy passes again, as with TCP.
        proxy.switch(Mode.PASS)
        client.settimeout(5)
        assert client.recv(1024) == b"held"

        proxy.switch(Mode.CUT)
        with pytest.raises(ConnectionResetError):
            client.recv(1024)


def test_a_proxy_without_a_server_resets(echo: int) -> None:
    with Proxy(echo) as proxy, Proxy(9) as to_nothing:
        proxy.switch(Mode.CUT)
        for port in (proxy.port, to_nothing.port):
            with pytest.raises(ConnectionResetError):
                first_byte(port)


def first_byte(port: int) -> bytes:
    with socket.create_connection((HOST, port), timeout=5) as client:
        return client.recv(1)


def test_a_figure_of_nothing_is_never_right() -> None:
    assert not Figure("lost", 0, 0, at_most=0).is_right
    assert Figure("lost", 0, 5, at_most=0).is_right
    assert not Figure("lost", 1, 5, at_most=0).is_right
    assert not Figure("share", 0.89, 5, at_least=0.9, is_share=True).is_right
    assert Figure("control", 1, 5, at_least=1).is_right


def test_a_report_is_right_when_all_figures_are_and_nothing_broke() -> None:
    good, short = Figure("lost", 0, 5, at_most=0), Figure("seen", 0.5, 5, at_least=0.9)
    assert not Report(1, 1).is_right
    assert Report(1, 1, {"one": [good]}).is_right
    assert not Report(1, 1, {"one": [good, short]}).is_right
    assert not Report(1, 1, {"one": [good]}, {"two": "why"}).is_right


def test_the_table_goes_between_its_markers(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    begin, end = markers("chaos")
    page = tmp_path_factory.mktemp("docs") / "reliability.md"
    page.write_text(f"before\n{begin}\nyesterday's\n{end}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    share = Figure("share", 0.5, 1200, at_least=0.9, is_share=True)
    Report(7, 0.1, {"one": [share]}, {"two": "why"}).write_docs()
    written = page.read_text()
    assert written.startswith(f"before\n{begin}\n|")
    assert written.endswith(f"\n{end}\nafter\n")
    assert "yesterday" not in written
    assert "| one | share | ≥ 90 % | **50 %** | 1,200 |" in written
    assert "| two | **broken** |" in written
    assert "Seed 7, scale 0.1, commit " in written
    assert begin in (PROJECT_DIR / "docs" / "reliability.md").read_text()


def chaos(*args: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", *args],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_the_command_lists_the_scenarios_on_an_unknown_name() -> None:
    unknown = chaos("--only", "typo")
    assert unknown.returncode == 1
    assert "No scenario typo. There are: replica_share, goodput," in unknown.stderr


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 0)])
def test_only_a_read_is_sent_again_when_its_connection_is_closed_under_it(
    method: str, status: int
) -> None:
    """The server answers the first request of each connection, and hangs up on the second."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(10_000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    connection.recv(10_000)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        member = Member(User(username="reader"))
        with Client(f"http://{HOST}:{server.getsockname()[1]}") as client:
            assert client.send(member, "GET", "/first").status == 200
            assert client.send(member, method, "/second").status == status

"""An instance that hangs is left out, and taken back when it answers again."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps


@pytest.fixture
def frozen(stack: Stack) -> Iterator[Callable[[], None]]:
    """A function that freezes one of the two Read APIs. It goes on after the test."""
    master = psutil.Process(stack.supervisor.programs()["read-api-1"].pid)
    family = [master, *master.children(recursive=True)]

    def freeze() -> None:
        for process in family:
            process.suspend()

    yield freeze
    for process in family:
        process.resume()
    wait_until(lambda: all(status.is_up for status in stack.status("read-api-1")))


def test_reads_are_answered_while_an_instance_is_frozen(
    signed_up: Callable[[str], Person],
    frozen: Callable[[], None],
    measured: Callable[[str], None],
) -> None:
    reader = signed_up("reader")
    post = reader.post("Still.", jpeg_with_gps())
    path = f"/api/v1/posts/{post['id']}"

    def read() -> tuple[int, float]:
        began = time.monotonic()
        return reader.http.get(path, timeout=30).status_code, time.monotonic() - began

    def read_for(seconds: float) -> list[tuple[int, float]]:
        end = time.monotonic() + seconds
        return [read() for _ in iter(lambda: time.monotonic() < end, False)]

    with ThreadPoolExecutor(8) as threads:
        frozen()
        answers = [answer for them in threads.map(read_for, [10] * 8) for answer in them]
    assert {status for status, _ in answers} == {200}
    slow = [seconds for _, seconds in answers if seconds > 1]
    measured(
        f"{len(slow)} of {len(answers)} reads were slow, the slowest {max(slow, default=0):.1f} s"
    )
    assert len(slow) <= len(answers) / 100

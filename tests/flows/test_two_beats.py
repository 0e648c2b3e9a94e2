"""Two beats run; one of them leads. When it freezes or ends, the other takes over."""

import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from core.beat import _TERM_KEY
from core.metrics.shared import read_stored
from core.valkey import state_valkey
from devstack.instances import DEFAULTS
from devstack.lifecycle import Stack
from devstack.scaling import scale
from tests.support.client import wait_until
from tests.support.stacks import one

DEPOSED = "this beat does not lead any more"
MEASURED_AT = "socialfeed_outbox_timestamp_seconds"


@pytest.fixture
def leader(stack: Stack) -> Iterator[psutil.Process]:
    """The first beat, which leads; a second one runs, too."""
    wait_until(lambda: state_valkey().exists("{beat}:v1:holder") == 1)
    scale(stack, {"beat": 2})
    first = psutil.Process(one(stack, "beat-1").pid)
    yield first
    if first.is_running():
        first.send_signal(signal.SIGCONT)
    scale(stack, DEFAULTS)


def term() -> int:
    return int(state_valkey().get(_TERM_KEY) or 0)


def wait_for_work() -> None:
    """Wait until a beat that leads now has measured the outbox."""
    since = time.time()
    wait_until(lambda: read_stored().get(MEASURED_AT, 0) > since, 15)


def test_the_other_beat_takes_over_from_one_that_is_frozen(
    stack: Stack, leader: psutil.Process, measured: Callable[[str], None]
) -> None:
    before = term()
    leader.send_signal(signal.SIGSTOP)
    took = wait_until(lambda: term() == before + 1, 10)
    measured(f"the other beat led {took:.1f} s after SIGSTOP")
    wait_for_work()

    log = stack.log_dir / "beat-1.log"
    lines = log.read_text().count(DEPOSED)
    leader.send_signal(signal.SIGCONT)
    wait_until(lambda: log.read_text().count(DEPOSED) > lines, 10)
    assert term() == before + 1, "the one that was frozen does not take the lead again"


def test_the_other_beat_takes_over_at_once_from_one_that_is_stopped(
    stack: Stack, leader: psutil.Process, measured: Callable[[str], None]
) -> None:
    before = term()
    began = time.monotonic()
    stack.supervisor.stop_program("beat-1")
    wait_until(lambda: term() == before + 1, 10)
    measured(f"the other beat led {time.monotonic() - began:.1f} s after SIGTERM")
    wait_for_work()
    stack.supervisor.start_program("beat-1")
    wait_until(lambda: one(stack, "beat-1").is_up)

"""The sandbox: limits, crashes, kills, and that none of them affects the next call."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import psutil
import pytest

from devstack.layout import PROJECT_DIR
from media.decoder import Limits
from media.sandbox import (
    BusyError,
    CrashedError,
    RefusedError,
    Sandbox,
    TooExpensiveError,
    UnavailableError,
)
from tests.support.client import wait_until


def limits(*, cpu_seconds: int = 1, seconds: float = 30) -> Limits:
    return Limits(
        cpu_seconds=cpu_seconds,
        seconds=seconds,
        ordinary_seconds=0.1,
        memory_mib=100,
        answer_mib=8,
    )


LIMITS = limits()
PATIENCE = 30.0
Make = Callable[..., Sandbox]


@pytest.fixture
def sandbox() -> Iterator[Make]:
    """A function that makes a sandbox around a function of `tests.media.jobs`."""
    made = []

    def make(function: str, *, limits: Limits = LIMITS, at_once: int = 1) -> Sandbox:
        found = Sandbox(
            function=f"tests.media.jobs:{function}",
            prepare="tests.media.jobs:prepare",
            limits=limits,
            at_once=at_once,
        )
        made.append(found)
        return found

    yield make
    for each in made:
        each.close()


def facts_of(sandbox: Sandbox, content: bytes = b"", **options: Any) -> dict[str, Any]:
    return sandbox.run(content, patience=PATIENCE, **options)[0]


def test_the_function_gets_the_content_and_its_options(sandbox: Make) -> None:
    content = os.urandom(3_000_000)
    facts, blobs = sandbox("echo").run(content, patience=PATIENCE, width=7, name="é")
    assert facts["options"] == {"width": 7, "name": "é"}
    assert not facts["may_write"]
    assert blobs == [content, content[::-1]]


def test_each_call_has_a_process_of_its_own_and_one_template(sandbox: Make) -> None:
    echo = sandbox("echo")
    one, other = facts_of(echo), facts_of(echo)
    assert one["pid"] != other["pid"]
    assert one["template"] == other["template"]
    assert one["prepared_by"] == [one["template"]]


def test_a_child_has_no_secrets_and_no_django(
    sandbox: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "very secret")
    facts = facts_of(sandbox("echo"))
    assert set(facts["environ"]) <= {"GLIBC_TUNABLES", "LC_ALL", "LC_CTYPE"}
    assert not facts["has_django"]


def test_who_takes_long_makes_way_for_others(sandbox: Make) -> None:
    policies = facts_of(sandbox("do"), b"work")["policies"]
    assert policies == [os.SCHED_OTHER, os.SCHED_IDLE]


def test_a_child_can_open_nothing_and_reach_nobody(sandbox: Make) -> None:
    """An older kernel does not keep it from other processes (`media.decoder`)."""
    version = ctypes.CDLL(None).syscall(444, None, 0, 1)
    allowed = [] if version >= 3 else ["shorten a file"]
    allowed += [] if version >= 1 else ["rename a file", "read another's memory"]
    allowed += [] if version >= 6 else ["send a signal"]
    assert sorted(facts_of(sandbox("do"), b"forbidden")["done"]) == sorted(allowed)


@pytest.mark.parametrize(
    ("deed", "error", "words"),
    [
        ("spin", TooExpensiveError, "time"),
        ("eat", TooExpensiveError, "memory"),
        ("eat at once", TooExpensiveError, "memory"),
        ("killed", TooExpensiveError, "memory"),
        ("segfault", CrashedError, f"{-signal.SIGSEGV}"),
        ("exit", CrashedError, "cut off"),
        ("long answer", CrashedError, "exit code"),
        ("no JSON", CrashedError, "exit code"),
        ("raise", RefusedError, "it is not like that"),
    ],
)
def test_what_fails_has_its_error_and_the_next_call_works(
    sandbox: Make, deed: str, error: type[Exception], words: str
) -> None:
    do = sandbox("do")
    with pytest.raises(error, match=words):
        do.run(deed.encode(), patience=PATIENCE)
    assert facts_of(do, b"forbidden") == {"done": []}


def test_the_error_of_the_function_has_its_name(sandbox: Make) -> None:
    with pytest.raises(RefusedError) as refused:
        sandbox("do").run(b"raise", patience=PATIENCE)
    assert refused.value.name == "ValueError"


def test_what_waits_for_ever_is_busy_and_killed(sandbox: Make) -> None:
    do = sandbox("do", limits=limits(cpu_seconds=5, seconds=0.5))
    with pytest.raises(BusyError):
        do.run(b"sleep", patience=PATIENCE)
    assert facts_of(do, b"forbidden") == {"done": []}
    assert children_of_templates() == []


def children_of_templates() -> list[psutil.Process]:
    """The children of all templates of this process that still run."""
    return [
        child
        for template in psutil.Process().children()
        if "media.decoder" in " ".join(template.cmdline())
        for child in template.children()
    ]


def test_no_more_than_so_many_at_once_and_others_wait(sandbox: Make) -> None:
    do = sandbox("do", limits=limits(cpu_seconds=5, seconds=2), at_once=2)
    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(do.run, b"sleep", patience=PATIENCE) for _ in range(2)]
        wait_until(lambda: len(children_of_templates()) == 2)
        began = time.monotonic()
        with pytest.raises(BusyError):
            do.run(b"forbidden", patience=0.1)
        assert time.monotonic() - began < 1
        # It gets the place of the first that ends.
        assert facts_of(do, b"forbidden") == {"done": []}
        for each in working:
            assert isinstance(each.exception(), BusyError)


def test_many_threads_each_get_their_own_answer(sandbox: Make) -> None:
    echo = sandbox("echo", at_once=3)

    def ask(number: int) -> bool:
        content = str(number).encode() * 10_000
        facts, blobs = echo.run(content, patience=PATIENCE, number=number)
        return bool(facts["options"] == {"number": number} and blobs[0] == content)

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(120)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_template_that_was_killed_is_started_anew(sandbox: Make, number: int) -> None:
    echo = sandbox("echo")
    template = facts_of(echo)["template"]
    os.kill(template, number)
    assert facts_of(echo)["template"] != template


def test_a_template_that_is_killed_at_work_is_started_anew(sandbox: Make) -> None:
    do = sandbox("do", limits=limits(cpu_seconds=5, seconds=3))
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(do.run, b"sleep", patience=PATIENCE)
        wait_until(lambda: len(children_of_templates()) == 1)
        (child,) = children_of_templates()
        template = child.ppid()
        os.kill(template, signal.SIGKILL)
        # Its child dies with it, and the call is made once more.
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
        wait_until(lambda: any(c.ppid() != template for c in children_of_templates()))
        assert isinstance(working.exception(), BusyError)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_does_not_end_a_template(sandbox: Make, number: int) -> None:
    echo = sandbox("echo")
    template = facts_of(echo)["template"]
    os.kill(template, number)
    assert facts_of(echo)["template"] == template


def test_a_program_that_does_not_start_is_unavailable(
    sandbox: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = sandbox("missing")
    with pytest.raises(UnavailableError):
        missing.run(b"", patience=PATIENCE)
    echo = sandbox("echo")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UnavailableError, match="nowhere"):
        echo.run(b"", patience=PATIENCE)
    monkeypatch.undo()
    assert facts_of(echo)


# A process with a sandbox that is at work. It prints the ids of its template and its child.
PARENT = """
import os, psutil, signal, sys, threading, time
from media.decoder import Limits
from media.sandbox import Sandbox
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it
limits = Limits(cpu_seconds=60, seconds=60, ordinary_seconds=1, memory_mib=100)
do = Sandbox(function="tests.media.jobs:do", limits=limits, at_once=1)
threading.Thread(target=do.run, args=(b"sleep",), kwargs={"patience": 1}, daemon=True).start()
while len(found := psutil.Process().children(recursive=True)) < 2:
    time.sleep(0.01)
%s
print(*[process.pid for process in found], flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "then", ["", "if os.fork() == 0: time.sleep(20); os._exit(0)"], ids=["alone", "forked"]
)
def test_nothing_is_left_of_a_process_that_dies(number: int, then: str) -> None:
    """However it dies, and although a process that it has forked lives on."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT % then], cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.send_signal(number)
        parent.wait()
        wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_a_forked_process_has_templates_of_its_own(sandbox: Make) -> None:
    echo = sandbox("echo")
    template = facts_of(echo)["template"]
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        own = facts_of(echo)["template"]
        os.write(writing, str(own).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    own = int(os.read(reading, 100))
    os.close(reading)
    os.close(writing)
    assert own != template
    assert facts_of(echo)["template"] == template
    wait_until(lambda: not psutil.pid_exists(own))


def test_a_call_from_a_thread_that_has_ended_leaves_the_template(sandbox: Make) -> None:
    """Linux ties some things to the thread that has started a process."""
    echo = sandbox("echo")
    found: list[int] = []
    thread = Thread(target=lambda: found.append(facts_of(echo)["template"]))
    thread.start()
    thread.join()
    assert found == [facts_of(echo)["template"]]

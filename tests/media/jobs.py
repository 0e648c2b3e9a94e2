"""Functions for a sandbox, which do what a decoder must not."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

Answer = tuple[dict[str, Any], list[bytes]]
Tell = Callable[[int], None]
_prepared: list[int] = []


def prepare() -> None:
    """Notes that it was called, and in which process."""
    _prepared.append(os.getpid())


def echo(file: BinaryIO, _tell: Tell, **options: Any) -> Answer:
    """What was given, and who was asked."""
    content = file.read()
    facts = {
        "options": options,
        "pid": os.getpid(),
        "template": os.getppid(),
        "prepared_by": _prepared,
        "may_write": fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY,
        "environ": dict(os.environ),
        "has_django": any(name.partition(".")[0] == "django" for name in sys.modules),
    }
    return facts, [content, content[::-1]]


def do(file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    """What the content names."""
    return _DEEDS[file.read().decode()]()


def _spin() -> Answer:
    while True:
        sum(range(1000))


def _work() -> Answer:
    """The scheduling policies at the start, and after half a second of CPU time."""
    first = os.sched_getscheduler(0)
    while time.process_time() < 0.5:
        sum(range(1000))
    return {"policies": [first, os.sched_getscheduler(0)]}, []


def _sleep() -> Answer:
    # Nothing wakes it: signals are ignored, and no other process can write here.
    threading.Event().wait()
    return {}, []


def _eat() -> Answer:
    eaten = []
    while True:
        eaten.append(bytes(1 << 20))


def _eat_at_once() -> Answer:
    return {"length": len(bytes(1 << 40))}, []


def _segfault() -> Answer:
    ctypes.string_at(0)
    return {}, []


def _killed() -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}, []


def _exit() -> Answer:
    os._exit(0)


def _raise() -> Answer:
    raise ValueError("it is not like that")


def _long_answer() -> Answer:
    return {}, [bytes(1 << 20)] * 20


def _no_json() -> Answer:
    return {"facts": b"bytes"}, []


def _read_memory_of_template() -> None:
    """A fork has the memory of its template, at the same addresses."""
    found, wanted = ctypes.create_string_buffer(8), ctypes.create_string_buffer(b"a secret")
    into, from_ = _Vector(ctypes.addressof(found), 8), _Vector(ctypes.addressof(wanted), 8)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.process_vm_readv(os.getppid(), ctypes.byref(into), 1, ctypes.byref(from_), 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _forbidden() -> Answer:
    """Which of the things that a decoder must not do it can do."""
    attempts: dict[str, Any] = {
        "open a file": lambda: Path("/etc/hostname").read_text(),
        "open a socket": socket.socket,
        "start a program": lambda: subprocess.run(["true"], check=False),
        "write a file": lambda: Path("decoder").write_text("x"),
        "rename a file": lambda: Path(__file__).rename(f"{__file__}.moved").rename(__file__),
        "shorten a file": lambda: os.truncate(__file__, Path(__file__).stat().st_size),
        "read another's memory": _read_memory_of_template,
        "send a signal": lambda: os.kill(os.getppid(), 0),
    }
    done = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        done.append(name)
    return {"done": done}, []


_DEEDS = {
    "spin": _spin,
    "work": _work,
    "sleep": _sleep,
    "eat": _eat,
    "eat at once": _eat_at_once,
    "segfault": _segfault,
    "killed": _killed,
    "exit": _exit,
    "raise": _raise,
    "long answer": _long_answer,
    "no JSON": _no_json,
    "forbidden": _forbidden,
}

"""The inside of the sandbox: runs one function on bytes of strangers, in a child with limits.

    python -m media.decoder CONTROL FUNCTION PREPARE LIMITS

`media.sandbox` starts this program; see there for its use. The program is a template: it loads the
function (`module:name`), calls PREPARE (`module:name`), and then forks one child for each message
on its control socket, a file descriptor. It has one thread, so a fork is safe and takes a
millisecond. It imports no Django and no settings, and has no secrets in its environment.

A message is JSON, the options of the function, with three files: the content, and empty ones for
the answer and the progress. The child calls `function(file, tell, **options)`, with the content and
a function that takes the progress in percent, and writes the answer. When it has ended, the
template reports how. When the control socket is closed, it kills its child and ends.
"""

import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

# The function returns facts, which are JSON, and blobs.
Answer = tuple[dict[str, Any], list[bytes]]
Function = Callable[..., Answer]
Tell = Callable[[int], None]

MESSAGE_BYTES = 16 * 1024
# Exit statuses of a child.
DONE, OUT_OF_MEMORY = 0, 3
_LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
# Landlock (landlock(7)): the numbers of its calls are the same on every architecture.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF, _LANDLOCK_VERSION = 444, 446, 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_MEBIBYTE = 1024 * 1024
# How often the CPU time of a child is read.
_STEP_SECONDS = 0.05


@dataclass(frozen=True)
class Limits:
    """What one child may use."""

    # Of CPU time, and of the clock.
    cpu_seconds: int
    seconds: float
    # Of CPU time at ordinary priority. After that, the child runs only while no other process wants
    # the core.
    ordinary_seconds: float
    # Of address space, beyond that of the template.
    memory_mib: int
    # Of the answer, and of any other file.
    answer_mib: int = 64

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Report:
    """How a child has ended: its wait status, seconds of CPU time, its peak memory."""

    status: int
    cpu_seconds: float
    peak_mib: float
    is_timed_out: bool


def pack(header: dict[str, Any], blobs: list[bytes]) -> bytes:
    """An answer as bytes: the length of the header, the header as JSON, and the blobs."""
    text = json.dumps(header | {"sizes": [len(blob) for blob in blobs]}).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *blobs])


def unpack(answer: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The header and the blobs of `pack`. Raises ValueError for any other bytes."""
    if len(answer) < _LENGTH.size:
        raise ValueError("the answer is cut off")
    (length,) = _LENGTH.unpack_from(answer)
    at = _LENGTH.size + length
    header = json.loads(answer[_LENGTH.size : at])
    sizes = header.pop("sizes", None) if isinstance(header, dict) else None
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("the answer has no sizes")
    if at + sum(sizes) != len(answer):
        raise ValueError("the sizes are not those of the answer")
    blobs = []
    for size in sizes:
        blobs.append(answer[at : at + size])
        at += size
    return header, blobs


@dataclass(frozen=True)
class _Job:
    """One call of the function."""

    work: Function
    options: dict[str, Any]
    # Descriptors of the content, the answer and the progress.
    files: list[int]
    limits: Limits


def main(control_fd: str, function: str, prepare: str, limits: str) -> None:
    """Serve jobs until the control socket is closed."""
    # A signal to the whole group of processes is for the API, which first ends its requests.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=int(control_fd))
    work = _load(function)
    if prepare:
        _load(prepare)()
    gc.freeze()  # else a collection in a child would copy all pages of the template
    while True:
        message, files, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 3)
        if not message:
            return
        job = _Job(work, json.loads(message), files, Limits(**json.loads(limits)))
        report = _fork(job, control)
        for file in files:
            os.close(file)
        with suppress(BrokenPipeError):  # the other side has given up
            control.send(json.dumps(asdict(report)).encode())


def _load(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return loaded


def _fork(job: _Job, control: socket.socket) -> Report:
    """Do the job in a child, and wait for its end; kill it when its time is over."""
    template = os.getpid()
    pid = os.fork()
    if pid == 0:
        control.close()
        _be_child(job, template)
    is_timed_out = not _await_end(pid, control, job.limits)
    if is_timed_out:
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return Report(
        status=status,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        is_timed_out=is_timed_out,
    )


def _await_end(pid: int, control: socket.socket, limits: Limits) -> bool:
    """Wait until a child ends; lower its priority when it takes long. Returns False if it must be
    killed: its time is over, or the other side of the control socket is closed.
    """
    deadline = time.monotonic() + limits.seconds
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(control, 0)  # 0: only wakes when the other side is closed
    is_ordinary = True
    try:
        while (left := deadline - time.monotonic()) > 0:
            step = min(left, _STEP_SECONDS) if is_ordinary else left
            if ready := poll.poll(1000 * step):
                return any(descriptor == ended for descriptor, _ in ready)
            if is_ordinary and _cpu_seconds(pid) > limits.ordinary_seconds:
                os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
                is_ordinary = False
        return False
    finally:
        os.close(ended)


def _cpu_seconds(pid: int) -> float:
    """The CPU time of a child so far (proc(5), stat: the fields after the name)."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _be_child(job: _Job, template: int) -> NoReturn:
    """Do the job and end. Nothing may come back from here into the loop of the template."""
    status = 1
    try:
        _confine(template, job.limits)
        content_file, answer_file, progress_file = job.files

        def tell(percent: int) -> None:
            os.pwrite(progress_file, bytes([percent]), 0)

        with open(content_file, "rb") as content, open(answer_file, "wb") as answer:
            answer.write(_outcome(job, content, tell))
        status = DONE
    except MemoryError:
        status = OUT_OF_MEMORY
    finally:
        os._exit(status)


def _outcome(job: _Job, content: BinaryIO, tell: Tell) -> bytes:
    """The packed answer, or the packed name and text of the error. Raises only MemoryError."""
    try:
        facts, blobs = job.work(content, tell, **job.options)
    except MemoryError:
        raise
    except Exception as error:
        return pack({"error": type(error).__name__, "text": str(error)[:500]}, [])
    return pack({"facts": facts}, blobs)


def _confine(template: int, limits: Limits) -> None:
    """Take from this process what a decoder does not need."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != template:  # it has died before the line above
        os._exit(1)
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # If memory runs out, the kernel ends this process before any other. Some containers forbid it:
    # then the kernel ends the largest process.
    with suppress(PermissionError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _forbid_the_rest()
    memory = pages * resource.getpagesize() + limits.memory_mib * _MEBIBYTE
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),  # no process, no thread
        (resource.RLIMIT_FSIZE, limits.answer_mib * _MEBIBYTE),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, 0),  # opens no file and no socket; those that are open stay
    ):
        resource.setrlimit(kind, (value, value))
    # The kernel sends SIGXCPU at the first value, SIGKILL at the second one.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))


def _forbid_the_rest() -> None:
    """Let this process read no memory of another, send it no signal, and write to no file by name.

    By Landlock, as far as the kernel has it: processes and most of files since Linux 5.13, the
    length of a file since 6.2, signals since 6.12. Without it, the limits above stay. Landlock
    leaves the owner, mode and times of a file to its owner.
    """
    version = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return
    # Bits for rights to files, rights to TCP ports, and scopes (of signals and sockets).
    files = (1 << {1: 13, 2: 14}.get(version, 15)) - 1
    rules = struct.pack("=QQQ", files, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    ruleset = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0 or _LIBC.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0):
        raise OSError(ctypes.get_errno(), "Landlock refuses its rules")
    os.close(ruleset)


if __name__ == "__main__":
    main(*sys.argv[1:])

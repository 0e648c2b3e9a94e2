"""Runs a function on bytes of strangers in processes of its own, with limits (`media.decoder`).

A sandbox keeps up to `at_once` templates: processes that have loaded the function and fork a child
for each call, which takes some milliseconds. They start at their first use, end with this process,
however it ends, and are started again if they die. A call that fails leaves nothing behind, and
does not affect the next one.

Each thread may call `run`. A process that is forked from this one starts templates of its own.
"""

import atexit
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TypeVar

from media.decoder import DONE, MESSAGE_BYTES, OUT_OF_MEMORY, Answer, Limits, Report, unpack

logger = logging.getLogger(__name__)

_PROJECT = Path(__file__).resolve().parents[1]
# The template ends a call in time, once it has started. If it does not, it hangs itself.
_GRACE_SECONDS = 10.0
_SECONDS_BETWEEN_STEPS = 1.0
# A child begins with an empty heap. Large pages, and a heap that grows in large steps and is kept,
# save it most page faults: a tenth to a fifth of its CPU time.
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "GLIBC_TUNABLES": ":".join(
        (
            "glibc.malloc.hugetlb=1",
            "glibc.malloc.mmap_threshold=33554432",
            "glibc.malloc.trim_threshold=536870912",
            "glibc.malloc.top_pad=8388608",
        )
    ),
}
OnReport = Callable[[Report], object]
Result = TypeVar("Result")
_sandboxes: "weakref.WeakSet[Sandbox]" = weakref.WeakSet()
_templates: "weakref.WeakSet[_Template]" = weakref.WeakSet()


class RefusedError(Exception):
    """The function has raised an error: `name` is its class."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class TooExpensiveError(Exception):
    """The call took too much of what the text names, or was killed."""


class CrashedError(Exception):
    """The child has crashed, or answered nonsense; the text says how."""


class BusyError(Exception):
    """All templates are at work, or the machine had no time for this call. Try it again."""


class UnavailableError(Exception):
    """No template can be started; the text says why."""


class _GoneError(Exception):
    """The template has died, so the call has no answer."""


class Sandbox:
    """Runs `function` (`module:name`), which takes a file, a function that it tells its progress in
    percent, and options, and returns an `Answer`.

    `prepare` (`module:name`) is called once in each template: it loads what the function would
    otherwise load in each child, which cannot open files.
    """

    def __init__(self, *, function: str, prepare: str = "", limits: Limits, at_once: int) -> None:
        self._command = (function, prepare, limits.as_json())
        self.limits, self._at_once = limits, at_once
        self._forget()
        _sandboxes.add(self)

    def run(
        self,
        content: bytes,
        *,
        patience: float,
        on_report: OnReport | None = None,
        **options: int | str,
    ) -> Answer:
        """Call the function with the content and the options; returns what it returned.

        Raises the errors of `steps`.
        """
        with _memory_file(content) as file:
            return finished(self.steps(file, patience=patience, on_report=on_report, **options))

    def steps(
        self,
        file: int,
        *,
        patience: float,
        on_report: OnReport | None = None,
        **options: int | str,
    ) -> Generator[int, None, Answer]:
        """Call the function with the file of a descriptor; yields the progress in percent each
        second, and returns what it returned. Closing the generator ends the call.

        Waits up to `patience` seconds for a free template, then raises `BusyError`. Raises
        `RefusedError`, `TooExpensiveError`, `CrashedError` and `UnavailableError`, too. `on_report`
        gets what the call took, however it ends, except if it had no time.
        """
        try:
            template = self._free.get(timeout=patience)
        except Empty:
            raise BusyError from None
        free = self._free
        try:
            template = template or _Template(self._command)
            try:
                report, answer = yield from template.call(file, options, self.limits.seconds)
            except _GoneError:
                # It was killed, before this call or during it. The function has no side effects.
                template = _Template(self._command)
                report, answer = yield from template.call(file, options, self.limits.seconds)
        except (_GoneError, OSError) as error:
            raise UnavailableError(f"The decoder does not start or was killed: {error}") from error
        finally:
            free.put(template if template and template.is_open else None)
        if on_report is not None and not report.is_timed_out:
            on_report(report)
        return _result(report, answer)

    def close(self) -> None:
        """End all templates that are free. The next call starts one."""
        free, places = self._free, 0
        with suppress(Empty):
            while True:
                template = free.get_nowait()
                places += 1
                if template:
                    template.close()
        for _ in range(places):
            free.put(None)

    def _forget(self) -> None:
        """Begin without templates."""
        self._free: LifoQueue[_Template | None] = LifoQueue()
        for _ in range(self._at_once):
            self._free.put(None)


def finished(steps: Generator[int, None, Result]) -> Result:
    """Run steps to their end, without their progress; returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


class _Template:
    """The parent's side of one template. It is closed by its first error."""

    def __init__(self, command: tuple[str, ...]) -> None:
        # Keeps the borders of messages, unlike a stream.
        self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.is_open = True
        try:
            with inside:
                self.process = subprocess.Popen(  # noqa: S603 (our own program)
                    [sys.executable, "-m", "media.decoder", str(inside.fileno()), *command],
                    cwd=_PROJECT,
                    env=_ENVIRONMENT,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[inside.fileno()],
                )
        except BaseException:
            self._control.close()
            raise
        _templates.add(self)

    def call(
        self, content_file: int, options: Mapping[str, int | str], seconds: float
    ) -> Generator[int, None, tuple[Report, bytes]]:
        """Run one job; yields its progress, and returns how its child has ended, and what it has
        written.

        Raises `_GoneError` if the template has died, and TimeoutError if it hangs.
        """
        try:
            with (
                _read_only(content_file) as content,
                _memory_file(b"") as answer_file,
                _memory_file(b"\0") as progress_file,
            ):
                files = [content, answer_file, progress_file]
                socket.send_fds(self._control, [json.dumps(options).encode()], files)
                self._control.settimeout(_SECONDS_BETWEEN_STEPS)
                deadline = time.monotonic() + seconds + _GRACE_SECONDS
                while (message := self._received()) is None:
                    if time.monotonic() > deadline:
                        raise TimeoutError("it hangs")
                    # The child may have written anything, or nothing.
                    yield min(99, (os.pread(progress_file, 1, 0) or b"\0")[0])
                if not message:
                    raise _GoneError("it has closed the connection")
                answer = os.pread(answer_file, os.fstat(answer_file).st_size, 0)
            return Report(**json.loads(message)), answer
        except (BrokenPipeError, ConnectionResetError) as error:
            self.close()
            raise _GoneError(str(error)) from error
        except BaseException:
            # Its report would be taken for that of the next call.
            self.close()
            raise

    def _received(self) -> bytes | None:
        """The next message; None if there is none in time, and empty if the template has died."""
        try:
            return self._control.recv(MESSAGE_BYTES)
        except TimeoutError:
            return None

    def leave(self) -> None:
        """Close this process' side. When no process has it open, the template ends."""
        self.is_open = False
        self._control.close()

    def close(self) -> None:
        """End the template, and with it its child."""
        self.leave()
        try:
            self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            logger.error("The decoder %d hangs, and is killed", self.process.pid)
            self.process.kill()
            self.process.wait()


@contextmanager
def _memory_file(content: bytes) -> Iterator[int]:
    """The descriptor of a file in memory with this content."""
    descriptor = os.memfd_create("media")
    try:
        with open(descriptor, "wb", buffering=0, closefd=False) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _read_only(file: int) -> Iterator[int]:
    """Another descriptor of an open file, at its beginning, by which nobody can change it."""
    descriptor = os.open(f"/proc/self/fd/{file}", os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _result(report: Report, answer: bytes) -> Answer:
    """What the function returned; raises the errors of `Sandbox.run`."""
    if report.is_timed_out:
        # It has not reached the limit of CPU time, so it has waited for a core.
        raise BusyError
    exit_code = os.waitstatus_to_exitcode(report.status)
    if exit_code == -signal.SIGXCPU:
        raise TooExpensiveError("time")
    # The kernel kills a process when the machine has no memory left.
    if exit_code in {OUT_OF_MEMORY, -signal.SIGKILL}:
        raise TooExpensiveError("memory")
    if exit_code != DONE:
        raise CrashedError(f"the exit code is {exit_code}")
    try:
        header, blobs = unpack(answer)
    except ValueError as error:
        raise CrashedError(str(error)) from error
    if "error" in header:
        raise RefusedError(str(header["error"]), str(header.get("text")))
    if not isinstance(header.get("facts"), dict):
        raise CrashedError("the answer has no facts")
    return header["facts"], blobs


def _forget_parents_templates() -> None:
    """In a process that was just forked: leave the templates to the process that has made them."""
    for template in _templates:
        template.leave()
    for sandbox in _sandboxes:
        sandbox._forget()


@atexit.register
def _close_templates() -> None:
    for template in list(_templates):
        if template.is_open:
            template.close()


os.register_at_fork(after_in_child=_forget_parents_templates)

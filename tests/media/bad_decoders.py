"""Decoders that fail, for a sandbox."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from media.images import make_variants
from media.variants import VARIANTS

LONG = 100_000  # bytes

Answer = tuple[dict[str, Any], list[bytes]]
Tell = Callable[[int], None]


def crash(_file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}, []


def fail(_file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    raise KeyError("a bug")


def answer_nothing(_file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    return {}, []


def answer_no_jpeg(_file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    sides = dict.fromkeys(("width", "height", "original_width", "original_height"), 1)
    return {**sides, "blurhash": "x" * 28}, [b"<html>"] * len(VARIANTS)


def spin(_file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    while True:
        pass


def tell_and_fail(_file: BinaryIO, tell: Tell, **_options: Any) -> Answer:
    tell(255)
    threading.Event().wait(1.5)
    tell(40)
    threading.Event().wait(2.5)
    raise MemoryError


def die(_file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}, []


def wait(_file: BinaryIO, _tell: Tell, **_options: Any) -> Answer:
    threading.Event().wait()
    return {}, []


def never_end_with_long_ones(file: BinaryIO, tell: Tell, *, max_pixels: int) -> Answer:
    while len(file.read()) > LONG:
        file.seek(0)
    file.seek(0)
    return make_variants(file, tell, max_pixels=max_pixels)

"""Decoders that fail, for a sandbox."""

import os
import signal
import threading
from typing import Any

from media.images import make_variants
from media.variants import VARIANTS

LONG = 100_000  # bytes

Answer = tuple[dict[str, Any], list[bytes]]


def crash(_content: bytes, **_options: Any) -> Answer:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}, []


def fail(_content: bytes, **_options: Any) -> Answer:
    raise KeyError("a bug")


def answer_nothing(_content: bytes, **_options: Any) -> Answer:
    return {}, []


def answer_no_jpeg(_content: bytes, **_options: Any) -> Answer:
    sides = dict.fromkeys(("width", "height", "original_width", "original_height"), 1)
    return {**sides, "blurhash": "x" * 28}, [b"<html>"] * len(VARIANTS)


def die(_content: bytes, **_options: Any) -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}, []


def wait(_content: bytes, **_options: Any) -> Answer:
    threading.Event().wait()
    return {}, []


def never_end_with_long_ones(content: bytes, *, max_pixels: int) -> Answer:
    while len(content) > LONG:
        pass
    return make_variants(content, max_pixels=max_pixels)

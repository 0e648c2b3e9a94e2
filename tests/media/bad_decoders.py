"""Decoders that fail, for a sandbox."""

import os
import signal
import threading
from typing import Any

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
    return {**sides, "blurhash": "x" * 28}, [b"<html>"] * 3


def die(_content: bytes, **_options: Any) -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}, []


def wait(_content: bytes, **_options: Any) -> Answer:
    threading.Event().wait()
    return {}, []

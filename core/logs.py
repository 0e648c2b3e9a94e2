"""What each log line says besides its message: who wrote it, and for which request."""

from __future__ import annotations

import logging

from core.context import CARRIED
from core.valkey import CircuitOpen

_role = "none"


def set_role(role: str) -> None:
    """Name what this process is for: an API's role, `worker` or `beat`."""
    global _role  # noqa: PLW0603  (a process has one)
    _role = role


class RepetitionFilter(logging.Filter):
    """Drops log records of `CircuitOpen`: the failure that opened the circuit is logged, not each
    request that does without the server meanwhile.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], CircuitOpen))


class ContextFilter(logging.Filter):
    """Lets every record pass, with the role and whatever `core.context` carries.

    `role` is what the process is until `set_role` knows better.
    """

    def __init__(self, role: str) -> None:
        super().__init__()
        set_role(role)

    def filter(self, record: logging.LogRecord) -> bool:
        record.role = _role
        for name, var in CARRIED.items():
            setattr(record, name, var.get())
        return True

"""Adds to each log line the process's role and the id of its request, and removes secrets."""

import logging
import re

from core.context import request_id
from core.valkey import CircuitOpen

_role = "none"


def set_role(role: str) -> None:
    """Set what log lines of this process have as `role`: an API's role, `worker` or `beat`."""
    global _role  # noqa: PLW0603  (a process has one)
    _role = role


class RepetitionFilter(logging.Filter):
    """Drops `CircuitOpen` records: only the failure that opened the circuit is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], CircuitOpen))


class SecretsFilter(logging.Filter):
    """Removes from a message the keys of links in mails, and the queries of addresses.

    Django and gunicorn log the address of a request that fails.
    """

    _secret = re.compile(r"(/account/[^/\s]+/)[^\s?'\"]+|(?<=\S)\?[^\s=]+=[^\s'\"]*")

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (without := self._secret.sub(r"\1", message)) != message:
            record.msg, record.args = without, None
        return True


class ContextFilter(logging.Filter):
    """Adds the request's id and the role (`role` until the first `set_role`) to every record."""

    def __init__(self, role: str) -> None:
        super().__init__()
        set_role(role)

    def filter(self, record: logging.LogRecord) -> bool:
        record.role = _role
        record.request_id = request_id.get()
        return True

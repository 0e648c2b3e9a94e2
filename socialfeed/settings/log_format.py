"""What a log line looks like: for Django's settings and, by its path, for gunicorn's.

gunicorn's first process must import nothing of the project, or the workers that it forks after a
deploy would still have the old code: so this imports only what others have written.
"""

from __future__ import annotations

from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

_LINE = {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}
_JSON = {
    "()": "pythonjsonlogger.json.JsonFormatter",
    "fmt": ["levelname", "name", "message", "request_id", "role", "process"],
    "rename_fields": {
        "levelname": "level",
        "name": "logger",
        "process": "pid",
        "exc_info": "exception",
        "stack_info": "stack",
    },
    "timestamp": "time",
    # Django's own `extra`: an object whose text has the address with its query.
    "reserved_attrs": [*RESERVED_ATTRS, "request"],
}


def default_format(*, socialfeed_env: str) -> str:
    """Machines read the logs of production, and people those of commands."""
    return "json" if socialfeed_env == "production" else "line"


def formatter(log_format: str, **always: str) -> dict[str, Any]:
    """A formatter of `logging.config.dictConfig`; `always` are members of each _JSON line.

    json: an object a line, with time (RFC 3339, UTC), level, logger, message, request_id, role,
    pid, what the code says in `extra`, and the traceback as `exception`. line: for people, the
    message only. Raises ValueError on any other.
    """
    formats: dict[str, dict[str, Any]] = {"json": _JSON | {"static_fields": always}, "line": _LINE}
    if log_format not in formats:
        raise ValueError("LOG_FORMAT must be 'json' or 'line'.")
    return formats[log_format]

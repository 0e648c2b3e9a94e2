"""The format of log lines, for Django's settings and for gunicorn's.

gunicorn's first process runs this file by its path and imports nothing of the project: the workers
that it forks after a deploy would have the old code. So this file must import only packages.
"""

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
    # Django adds the request as `extra`; its text has the address with the query.
    "reserved_attrs": [*RESERVED_ATTRS, "request"],
}


def default_format(*, socialfeed_env: str) -> str:
    """JSON for production, whose logs machines read; lines elsewhere."""
    return "json" if socialfeed_env == "production" else "line"


def formatter(log_format: str, **always: str) -> dict[str, Any]:
    """The entry of one formatter for `logging.config.dictConfig`.

    json: one object per line, with time (RFC 3339, UTC), level, logger, message, request_id, role,
    pid, the members of `extra` and of `always`, and the traceback as `exception`. line: time,
    level, logger, message and traceback as text. Raises ValueError for any other format.
    """
    formats: dict[str, dict[str, Any]] = {"json": _JSON | {"static_fields": always}, "line": _LINE}
    if log_format not in formats:
        raise ValueError("LOG_FORMAT must be 'json' or 'line'.")
    return formats[log_format]

"""What is logged, and how."""

from __future__ import annotations

import logging

from django.core.exceptions import ImproperlyConfigured

from socialfeed.settings.core import API_ROLE
from socialfeed.settings.environment import SOCIALFEED_ENV, env
from socialfeed.settings.log_format import default_format, formatter

# json: one object a line, for machines. line: for people.
LOG_FORMAT = env.str("LOG_FORMAT", default="") or default_format(socialfeed_env=SOCIALFEED_ENV)
try:
    _formatter = formatter(LOG_FORMAT)
except ValueError as _error:
    raise ImproperlyConfigured(str(_error)) from _error
# Python's own warnings too are lines like all others.
logging.captureWarnings(LOG_FORMAT == "json")
# Requests that take longer, in seconds, are logged as a warning.
SLOW_REQUEST_SECONDS = env.float("SLOW_REQUEST_SECONDS", default=1.0)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"chosen": _formatter},
    "filters": {
        "repetition": {"()": "core.logs.RepetitionFilter"},
        "context": {"()": "core.logs.ContextFilter", "role": API_ROLE},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "chosen",
            "filters": ["repetition", "context"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
}

"""Logging: format, level, handlers."""

import logging

from django.core.exceptions import ImproperlyConfigured

from socialfeed.settings import log_format as _log_format
from socialfeed.settings.core import API_ROLE
from socialfeed.settings.environment import _SOCIALFEED_ENV, _env

# json: one object a line, for machines. line: text, for people.
LOG_FORMAT = _env.str("LOG_FORMAT", default="") or _log_format.default_format(
    socialfeed_env=_SOCIALFEED_ENV
)
try:
    _formatter = _log_format.formatter(LOG_FORMAT)
except ValueError as _error:
    raise ImproperlyConfigured(str(_error)) from _error
# Python's own warnings are logged in the same format.
logging.captureWarnings(LOG_FORMAT == "json")
# Requests that take longer than so many seconds are logged as a warning.
SLOW_REQUEST_SECONDS = _env.float("SLOW_REQUEST_SECONDS", default=1.0)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"chosen": _formatter},
    "filters": {
        "repetition": {"()": "core.logs.RepetitionFilter"},
        "secrets": {"()": "core.logs.SecretsFilter"},
        "context": {"()": "core.logs.ContextFilter", "role": API_ROLE},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "chosen",
            "filters": ["repetition", "secrets", "context"],
        }
    },
    "root": {"handlers": ["stderr"], "level": _env.str("LOG_LEVEL", default="INFO")},
}

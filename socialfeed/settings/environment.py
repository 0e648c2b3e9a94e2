"""Sources of settings: the environment, a file, and the defaults of the local stack."""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from devstack import layout as _layout

_BASE_DIR = Path(__file__).resolve().parents[2]
_env = environ.Env()
_env.read_env(os.environ.get("SOCIALFEED_ENV_FILE", _BASE_DIR / ".env"))

_SOCIALFEED_ENV = _env.str("SOCIALFEED_ENV", default="local")
if _SOCIALFEED_ENV not in {"local", "production"}:
    raise ImproperlyConfigured("SOCIALFEED_ENV must be 'local' or 'production'.")
# Whether this is the local stack. Some commands must not run anywhere else.
LOCAL = _SOCIALFEED_ENV == "local"
try:
    _LAYOUT = _layout.Layout.from_environ(os.environ)
except _layout.StackError as error:
    raise ImproperlyConfigured(str(error)) from error
# Defaults of variables on the local stack; production has none.
_LOCAL_DEFAULTS = _LAYOUT.urls() | {
    "SECRET_KEY": "local-only-secret-key-that-signs-nothing-of-value",
    "PUBLIC_ORIGIN": _LAYOUT.public_origin,
    "S3_BUCKET": _layout.S3_BUCKET,
    "AWS_ACCESS_KEY_ID": _layout.S3_ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": _layout.S3_SECRET_KEY,
    "EMAIL_URL": "consolemail://",
}


def _required(name: str) -> str:
    """A variable that production must set and the local stack need not.

    Raises ImproperlyConfigured.
    """
    value = _env.str(name, default="") or (_LOCAL_DEFAULTS[name] if LOCAL else "")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production; see .env.example.")
    return value

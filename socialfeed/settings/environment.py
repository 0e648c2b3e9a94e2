"""Where settings come from: the environment, a file, and what they stand for on the local stack."""

from __future__ import annotations

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from devstack.layout import S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY, Layout

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()
env.read_env(os.environ.get("SOCIALFEED_ENV_FILE", BASE_DIR / ".env"))

SOCIALFEED_ENV = env.str("SOCIALFEED_ENV", default="local")
if SOCIALFEED_ENV not in {"local", "production"}:
    raise ImproperlyConfigured("SOCIALFEED_ENV must be 'local' or 'production'.")
LOCAL = SOCIALFEED_ENV == "local"
try:
    LAYOUT = Layout.from_environ(os.environ)
except ValueError as error:
    raise ImproperlyConfigured(str(error)) from error
# What a variable stands for while nobody sets it; in production, nothing does.
LOCAL_DEFAULTS = LAYOUT.urls() | {
    "SECRET_KEY": "local-only-secret-key-that-signs-nothing-of-value",
    "PUBLIC_ORIGIN": LAYOUT.public_origin,
    "S3_BUCKET": S3_BUCKET,
    "AWS_ACCESS_KEY_ID": S3_ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": S3_SECRET_KEY,
    "EMAIL_URL": "consolemail://",
}


def required(name: str) -> str:
    """A variable that has a default on the local stack and none in production."""
    value = env.str(name, default="") or (LOCAL_DEFAULTS[name] if LOCAL else "")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production; see .env.example.")
    return value

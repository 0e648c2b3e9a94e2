"""Sources of settings: the environment, a file, and the defaults of the local stack."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from devstack import layout as _layout
from devstack.urls import ClusterAddress, Sentinels, cluster_of, sentinels_of

_Parsed = TypeVar("_Parsed")
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
    # Files: mails have secret links, which no log should have.
    "EMAIL_URL": f"filemail:///{_LAYOUT.var_dir / 'mail'}",
}


# Secrets of the local stack. They are public, with its code.
_LOCAL_SECRETS = frozenset({"SECRET_KEY", "AWS_SECRET_ACCESS_KEY"})


def _required(name: str) -> str:
    """A variable that production must set and the local stack need not.

    Raises ImproperlyConfigured; also if production has a secret of the local stack.
    """
    value = _env.str(name, default="") or (_LOCAL_DEFAULTS[name] if LOCAL else "")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production; see .env.example.")
    if not LOCAL and name in _LOCAL_SECRETS and value == _LOCAL_DEFAULTS[name]:
        raise ImproperlyConfigured(
            f"{name} is that of the local stack, which everybody knows. Production needs its own."
        )
    return value


def _sentinel_options(sentinels: Sentinels, seconds: float) -> dict[str, object]:
    """How to ask Sentinels: each for so many seconds, once. Then the next one is asked."""
    return {
        "password": sentinels.password,
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }


def _sentinels(name: str) -> Sentinels | None:
    """The Sentinels that a variable names; None if it names a server.

    Raises ImproperlyConfigured if the variable is malformed.
    """
    return _parsed(name, sentinels_of)


def _cluster(name: str) -> ClusterAddress | None:
    """The cluster that a variable names; None if it names no cluster.

    Raises ImproperlyConfigured if the variable is malformed.
    """
    return _parsed(name, cluster_of)


def _parsed(name: str, parse: Callable[[str], _Parsed]) -> _Parsed:
    try:
        return parse(_required(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


# What Django's own check asks for (security.W009), and more characters that differ: 32 random bytes
# have at least ten different hexadecimal digits.
_KEY_LENGTH = 50
_KEY_CHARACTERS = 10
_KEY_COMMAND = 'python -c "import secrets; print(secrets.token_urlsafe(50))"'


def _secret_key() -> str:
    """The key that signs tokens and cursors. Production refuses a weak one.

    Who knows or guesses it can log in as anybody. Raises ImproperlyConfigured.
    """
    key = _required("SECRET_KEY")
    if LOCAL:
        return key
    weakness = ""
    if key.startswith("django-insecure-"):
        weakness = "Django has made this one for a development server"
    elif len(key) < _KEY_LENGTH:
        weakness = f"it has {len(key)} characters, and needs {_KEY_LENGTH}"
    elif len(set(key)) < _KEY_CHARACTERS:
        weakness = f"it has {len(set(key))} different characters, and needs {_KEY_CHARACTERS}"
    if weakness:
        raise ImproperlyConfigured(
            f"SECRET_KEY is too weak for production: {weakness}. Make one with: {_KEY_COMMAND}"
        )
    return key

"""Where data is: SQL, three databases with a primary and a replica each; two Valkeys; S3."""

from __future__ import annotations

from typing import Any

import environ
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from socialfeed.settings.core import API_ROLE
from socialfeed.settings.environment import _LOCAL_DEFAULTS, LOCAL, _env, _required

# --- SQL ------------------------------------------------------------------------------------------


def _database(name: str) -> dict[str, dict[str, object]]:
    """The primary and the replica alias of one database; no replica given: the primary twice."""
    primary = f"{name}_DATABASE_URL"
    replica = _env.str(f"{name}_REPLICA_URL", default="")
    if not replica:
        bundled = LOCAL and not _env.str(primary, default="")
        replica = _LOCAL_DEFAULTS[f"{name}_REPLICA_URL"] if bundled else _required(primary)
    alias = "default" if name == "USERS" else name.lower()
    return {
        alias: _server(_required(primary)),
        # Not asked whether it still works each time: what fails on a replica is done elsewhere.
        f"{alias}_replica": _server(replica)
        | {"CONN_HEALTH_CHECKS": False, "TEST": {"MIRROR": alias}},
    }


def _server(url: str) -> dict[str, object]:
    """What Django needs to connect to a server; what its URL says in options (sslmode) counts."""
    config: dict[str, Any] = environ.Env.db_url_config(url)
    config |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    return config | {"OPTIONS": _OPTIONS | config.get("OPTIONS", {})}


# The longest that a statement of a request may take, in seconds. Tasks take their time.
_STATEMENT_TIMEOUT_SECONDS = _env.float("STATEMENT_TIMEOUT_SECONDS", default=5.0)
# And for how long an API process waits for an answer, when not even a cancellation comes.
DATABASE_DEADLINE_SECONDS = _STATEMENT_TIMEOUT_SECONDS + 1 if API_ROLE != "all" else None
# How long all of a request's statements may take together; less than the web server waits.
REQUEST_SECONDS = 25.0
# Tasks do their work in steps, each of which takes a second or so.
TASK_DEADLINE_SECONDS = 60.0
_SESSION = {
    # Nothing that runs in the Read API can write, whatever it tries.
    "default_transaction_read_only": "on" if API_ROLE == "read" else "off",
    "statement_timeout": f"{_STATEMENT_TIMEOUT_SECONDS:g}s" if API_ROLE != "all" else "0",
    # A transaction whose process hangs holds its locks no longer than this; longer than an upload,
    # which is inside one when it comes with an Idempotency-Key, may wait for S3.
    "idle_in_transaction_session_timeout": "60s" if API_ROLE != "all" else "0",
}
# A connection lives as long as its thread; a dead one is noticed before it is used, and one whose
# server has vanished from the network within 10 s.
_OPTIONS = {
    "connect_timeout": 2,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
}
DATABASES = _database("USERS") | _database("POSTS") | _database("COMMENTS")
DATABASE_ROUTERS = ["core.sql.DatabaseRouter"]
# A replica that lags by more than so many seconds is not read from.
REPLICA_MAX_LAG = _env.float("REPLICA_MAX_LAG", default=5.0)
# Whether reads wait for what their users have written. Off: to measure what that costs.
READ_YOUR_WRITES = _env.bool("READ_YOUR_WRITES", default=True)
# LSNs of writes are kept for so many seconds: much longer than a replica may lag.
LSN_SECONDS = max(60, round(10 * REPLICA_MAX_LAG))

# --- Valkey ---------------------------------------------------------------------------------------


# How long a request waits for Valkey, which answers within a millisecond when all is well.
_VALKEY_TIMEOUT_SECONDS = _env.float("VALKEY_TIMEOUT_SECONDS", default=0.25)
_PATIENCE = _VALKEY_TIMEOUT_SECONDS if API_ROLE != "all" else max(2.0, _VALKEY_TIMEOUT_SECONDS)


def _valkey(url: str, pool: str) -> dict[str, object]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": _PATIENCE,
            "SOCKET_TIMEOUT": _PATIENCE,
            "CONNECTION_POOL_CLASS": pool,
        },
    }


# `default` is STATE, because what libraries keep there (sessions, rate limits, one-time codes)
# must not be evicted; `cache` is CACHE, used through `core.valkey` only.
_POOL = "core.valkey.Pool"
_CACHE_POOL = "core.valkey.BreakingPool" if API_ROLE == "read" else _POOL
CACHES = {
    "default": _valkey(_required("STATE_URL"), pool=_POOL),
    "cache": _valkey(_required("CACHE_URL"), pool=_CACHE_POOL),
}
# Whether a read of CACHE that a recording cannot see is an error (core.valkey.recorder). For tests.
RAISE_UNRECORDED_READS = _env.bool("RAISE_UNRECORDED_READS", default=False)
SESSION_ENGINE = "django.contrib.sessions.backends.cache"

# --- Object storage -------------------------------------------------------------------------------

S3_BUCKET_NAME = _required("S3_BUCKET")
# Where clients fetch media: the endpoint itself, or a CDN in front of the bucket.
MEDIA_PUBLIC_BASE = (
    _env.str("MEDIA_PUBLIC_BASE", default="") or f"{_required('S3_ENDPOINT_URL')}/{S3_BUCKET_NAME}"
).rstrip("/")
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "endpoint_url": _required("S3_ENDPOINT_URL"),
            "bucket_name": S3_BUCKET_NAME,
            "access_key": _required("AWS_ACCESS_KEY_ID"),
            "secret_key": _required("AWS_SECRET_ACCESS_KEY"),
            "region_name": _env.str("S3_REGION", default="us-east-1"),
            "file_overwrite": True,  # keys are random: asking whether one exists is a waste
            "client_config": Config(
                connect_timeout=1,
                read_timeout=4,
                retries={"total_max_attempts": 2, "mode": "standard"},
            ),
            "transfer_config": TransferConfig(use_threads=False),  # objects are small
            "default_acl": None,
            "querystring_auth": False,
            "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Limits of one upload: bytes of the file, and pixels of the decoded image.
MEDIA_MAX_BYTES = _env.int("MEDIA_MAX_BYTES", default=10 * 1024 * 1024)
MEDIA_MAX_PIXELS = _env.int("MEDIA_MAX_PIXELS", default=30_000_000)

"""Stores: three SQL databases with a primary and a replica each, two Valkeys, and S3."""

from typing import Any

import environ
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from django.core.exceptions import ImproperlyConfigured

from devstack.urls import urls_of_hosts
from socialfeed.settings.core import API_ROLE
from socialfeed.settings.environment import (
    _LAYOUT,
    LOCAL,
    _cluster,
    _env,
    _parsed,
    _required,
    _sentinel_options,
    _sentinels,
)

# --- SQL ------------------------------------------------------------------------------------------


def _database(name: str) -> dict[str, dict[str, Any]]:
    """The aliases of a database's primary, which is one of the hosts in its URL, and of replicas:
    one for each host in their URL, or in that of the primary if they have none.
    """
    primary = replicas = _parsed(f"{name}_DATABASE_URL", urls_of_hosts)
    is_bundled = LOCAL and not _env.str(f"{name}_DATABASE_URL", default="")
    if is_bundled or _env.str(f"{name}_REPLICA_URL", default=""):
        replicas = _parsed(f"{name}_REPLICA_URL", urls_of_hosts)
    alias = "default" if name == "USERS" else name.lower()
    # No health check: a read that fails on a replica is done on the primary.
    unchecked = {"CONN_HEALTH_CHECKS": False, "TEST": {"MIRROR": alias}}
    names = [f"{alias}_replica", *(f"{alias}_replica_{n}" for n in range(2, len(replicas) + 1))]
    return {alias: _server(primary)} | {
        name: _server([url]) | unchecked for name, url in zip(names, replicas, strict=True)
    }


def _server(urls: list[str]) -> dict[str, Any]:
    """Django's settings for a server, which may be any of several hosts. Options in their URL
    (sslmode) override ours.
    """
    hosts = [environ.Env.db_url_config(url) for url in urls]
    config: dict[str, Any] = hosts[0]
    return config | {
        "ENGINE": "core.sql.backend",
        "HOST": ",".join(host["HOST"] for host in hosts),
        "PORT": ",".join(str(host["PORT"] or "") for host in hosts),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": _IS_POOLED,
        "OPTIONS": _OPTIONS | config.get("OPTIONS", {}),
    }


# The longest that one statement of a request may take, in seconds. Those of tasks have no limit.
_STATEMENT_TIMEOUT_SECONDS = _env.float("STATEMENT_TIMEOUT_SECONDS", default=5.0)
# An API process waits so long for an answer, if the server does not even cancel the statement.
DATABASE_DEADLINE_SECONDS = _STATEMENT_TIMEOUT_SECONDS + 1 if API_ROLE != "all" else None
# The longest that all statements of a request may take together; less than the web server waits.
REQUEST_SECONDS = 7.0 if API_ROLE == "read" else 25.0
# A task waits so long for an answer. Tasks work in steps of about a second.
TASK_DEADLINE_SECONDS = 60.0
_SESSION = {
    # No code in the Read API can write.
    "default_transaction_read_only": "on" if API_ROLE == "read" else "off",
    "statement_timeout": f"{_STATEMENT_TIMEOUT_SECONDS:g}s" if API_ROLE != "all" else "0",
    # A transaction of a process that hangs holds its locks no longer. It is longer than an upload
    # may wait for S3, which with an Idempotency-Key happens inside a transaction.
    "idle_in_transaction_session_timeout": "60s" if API_ROLE != "all" else "0",
}
# A connection lives as long as its thread. When its server vanishes from the network, that is
# noticed within 10 s.
_OPTIONS: dict[str, Any] = {
    "connect_timeout": 2,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# PgBouncer in transaction mode gives each transaction another session, so it makes these settings.
_IS_POOLED = _env.bool("PGBOUNCER", default=False)
if not _IS_POOLED:
    _OPTIONS["options"] = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
DATABASES = _database("USERS") | _database("POSTS") | _database("COMMENTS")
DATABASE_ROUTERS = ["core.sql.DatabaseRouter"]
# A replica that lags by more seconds than this is not read from.
REPLICA_MAX_LAG = _env.float("REPLICA_MAX_LAG", default=5.0)
# Whether users see what they have written. Only turned off to measure what it costs.
READ_YOUR_WRITES = _env.bool("READ_YOUR_WRITES", default=True)
# LSNs of writes are kept for so many seconds: much longer than a replica may lag.
LSN_SECONDS = max(60, round(10 * REPLICA_MAX_LAG))

# --- Valkey ---------------------------------------------------------------------------------------


# How long a request waits for Valkey, which usually answers within a millisecond.
_VALKEY_TIMEOUT_SECONDS = _env.float("VALKEY_TIMEOUT_SECONDS", default=0.25)
_PATIENCE = _VALKEY_TIMEOUT_SECONDS if API_ROLE != "all" else max(2.0, _VALKEY_TIMEOUT_SECONDS)


def _valkey(url: str, pool: str) -> dict[str, Any]:
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


def _state(url: str) -> dict[str, Any]:
    """STATE: one server, or the primary that Sentinels name. Replicas are never read: they lag."""
    sentinels = _sentinels("STATE_URL")
    if _cluster("STATE_URL") is not None:
        raise ImproperlyConfigured(
            "STATE_URL takes a server or Sentinels: what happens in STATE at once has keys of "
            "several slots, which a cluster refuses."
        )
    if sentinels is None:
        return _valkey(url, pool=_POOL)
    config = _valkey(f"redis://{sentinels.login}sentinels/{sentinels.database}", pool=_POOL)
    config["OPTIONS"] |= {
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "CONNECTION_POOL_CLASS": "core.valkey.SentinelPool",
        # Its default is the host of the URL, in lower case.
        "CONNECTION_POOL_KWARGS": {"service_name": sentinels.name},
        "SENTINELS": list(sentinels.hosts),
        "SENTINEL_KWARGS": _sentinel_options(sentinels, _PATIENCE),
    }
    return config


def _cache(url: str) -> dict[str, Any]:
    """CACHE: one server, or a cluster. The Read API does not wait for what is down."""
    pool = "core.valkey.BreakingPool" if API_ROLE == "read" else _POOL
    cluster = _cluster("CACHE_URL")
    if _sentinels("CACHE_URL") is not None:
        raise ImproperlyConfigured(
            "CACHE_URL takes a server or a cluster: CACHE may be lost, without Sentinels."
        )
    if cluster is None:
        return _valkey(url, pool=pool)
    config = _valkey(cluster.url, pool=pool)
    config["OPTIONS"] |= {
        "CONNECTION_FACTORY": "core.valkey.ClusterFactory",
        "CLUSTER_HOSTS": cluster.hosts,
    }
    return config


# `default` is STATE: libraries store sessions and one-time codes there, which must not be evicted.
# `cache` is CACHE, used through `core.valkey` only.
_POOL = "core.valkey.Pool"
CACHES = {
    "default": _state(_required("STATE_URL")),
    "cache": _cache(_required("CACHE_URL")),
}
# For tests: whether a read of CACHE that a recording cannot see raises (core.valkey.recorder).
RAISE_UNRECORDED_READS = _env.bool("RAISE_UNRECORDED_READS", default=False)
SESSION_ENGINE = "users.session_stores"

# --- Object storage -------------------------------------------------------------------------------

S3_BUCKET_NAME = _required("S3_BUCKET")
# Where clients fetch media: the web server's site for them, a CDN, or the bucket itself.
_MEDIA_BASE = _LAYOUT.media_origin if LOCAL else f"{_required('S3_ENDPOINT_URL')}/{S3_BUCKET_NAME}"
MEDIA_PUBLIC_BASE = (_env.str("MEDIA_PUBLIC_BASE", default="") or _MEDIA_BASE).rstrip("/")


def _patience(*, seconds: int, attempts: int) -> Config:
    """boto3's client that waits so long for an answer, and asks so often."""
    return Config(
        connect_timeout=1,
        read_timeout=seconds,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        signature_version="s3v4",
    )


_S3 = {
    "endpoint_url": _required("S3_ENDPOINT_URL"),
    "bucket_name": S3_BUCKET_NAME,
    "access_key": _required("AWS_ACCESS_KEY_ID"),
    "secret_key": _required("AWS_SECRET_ACCESS_KEY"),
    "region_name": _env.str("S3_REGION", default="us-east-1"),
    "file_overwrite": True,  # keys are random: asking whether one exists is a waste
    "client_config": _patience(seconds=4, attempts=2),
    # One request for each object: parts of one that was not finished would stay.
    "transfer_config": TransferConfig(use_threads=False, multipart_threshold=1024**3),
    "default_acl": None,
    "querystring_auth": False,
    "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
}
# The address of the object store for clients, which send files there, and fetch those of private
# accounts.
_S3_UPLOAD_URL = _env.str("S3_UPLOAD_URL", default="") or _S3["endpoint_url"]
STORAGES = {
    "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _S3},
    # These two are for `media.incoming`: the API's own questions, and signatures for clients.
    "requests": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": _S3 | {"client_config": _patience(seconds=2, attempts=1)},
    },
    "signatures": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": _S3 | {"endpoint_url": _S3_UPLOAD_URL},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# The limits of an upload: bytes of the file, pixels of the image. For some formats fewer pixels are
# accepted: media/structure/limits.py.
MEDIA_MAX_BYTES = _env.int("MEDIA_MAX_BYTES", default=10 * 1024 * 1024)
# Of a file that a client sends to the object store itself (`media.uploads`).
MEDIA_UPLOAD_MAX_BYTES = _env.int("MEDIA_UPLOAD_MAX_BYTES", default=50 * 1024 * 1024)
MEDIA_VIDEO_MAX_BYTES = _env.int("MEDIA_VIDEO_MAX_BYTES", default=200 * 1024 * 1024)
MEDIA_VIDEO_MAX_SECONDS = _env.int("MEDIA_VIDEO_MAX_SECONDS", default=90)
# The form parser keeps the file in memory: the request's body is on the disk already, and only
# MEDIA_UPLOADS_AT_ONCE are parsed at once.
FILE_UPLOAD_MAX_MEMORY_SIZE = MEDIA_MAX_BYTES
MEDIA_MAX_PIXELS = _env.int("MEDIA_MAX_PIXELS", default=202_000_000)
# What the decoding of one picture may take: CPU time and memory. One with as many pixels as its
# format may have takes a second or two, at worst four, and up to 500 MiB.
MEDIA_DECODER_SECONDS = _env.int("MEDIA_DECODER_SECONDS", default=8)
MEDIA_DECODER_MEMORY_MIB = _env.int("MEDIA_DECODER_MEMORY_MIB", default=512)
# The same for a video. Ninety seconds of 1080p at 30 frames a second take some two minutes.
MEDIA_VIDEO_DECODER_SECONDS = _env.int("MEDIA_VIDEO_DECODER_SECONDS", default=900)
MEDIA_VIDEO_DECODER_MEMORY_MIB = _env.int("MEDIA_VIDEO_DECODER_MEMORY_MIB", default=1024)
# Of each process: how many pictures are decoded at once (in a media worker, and as many videos),
# and how many uploads an API works on at once. The latter must be fewer than GUNICORN_THREADS: the
# others are left for all other writes.
MEDIA_DECODERS = _env.int("MEDIA_DECODERS", default=1)
MEDIA_UPLOADS_AT_ONCE = _env.int("MEDIA_UPLOADS_AT_ONCE", default=2)
# What the uploads of an account may take in a day (UTC): bytes, and seconds of CPU time; 0: no
# limit.
MEDIA_DAILY_BYTES = _env.int("MEDIA_DAILY_BYTES", default=2 * 1024**3)
MEDIA_DAILY_CPU_SECONDS = _env.int("MEDIA_DAILY_CPU_SECONDS", default=3600)
# An upload that no post and no avatar uses is removed after so many hours.
MEDIA_UNUSED_HOURS = _env.int("MEDIA_UNUSED_HOURS", default=24)
# A post whose media are not all ready waits for so many days, and is then removed.
POST_WAITING_DAYS = _env.int("POST_WAITING_DAYS", default=7)
# Who is told which public addresses are gone or are back, such as a CDN's adapter: see `media.cdn`.
MEDIA_PURGE_URL = _env.str("MEDIA_PURGE_URL", default="")
MEDIA_PURGE_TOKEN = _env.str("MEDIA_PURGE_TOKEN", default="")

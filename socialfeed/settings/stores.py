"""Where data is: SQL, three databases with a primary and a replica each; two Valkeys; S3."""

from __future__ import annotations

import environ
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from socialfeed.settings.environment import LOCAL, LOCAL_DEFAULTS, env, required

# --- SQL ------------------------------------------------------------------------------------------


def database(name: str) -> dict[str, dict[str, object]]:
    """The primary and the replica alias of one database; no replica given: the primary twice."""
    primary = f"{name}_DATABASE_URL"
    replica = env.str(f"{name}_REPLICA_URL", default="")
    if not replica:
        bundled = LOCAL and not env.str(primary, default="")
        replica = LOCAL_DEFAULTS[f"{name}_REPLICA_URL"] if bundled else required(primary)
    alias = "default" if name == "USERS" else name.lower()
    return {
        alias: environ.Env.db_url_config(required(primary)) | CONNECTION,
        f"{alias}_replica": environ.Env.db_url_config(replica)
        | CONNECTION
        | {"TEST": {"MIRROR": alias}},
    }


# A connection lives as long as its thread; a dead one is noticed before it is used.
CONNECTION = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True, "OPTIONS": {"connect_timeout": 3}}
DATABASES = database("USERS") | database("POSTS") | database("COMMENTS")
DATABASE_ROUTERS = ["socialfeed.common.consistency.DatabaseRouter"]
# For how long a user's reads stay on the primary after a write of theirs, in seconds.
READ_YOUR_WRITES_SECONDS = env.int("READ_YOUR_WRITES_SECONDS", default=5)

# --- Valkey ---------------------------------------------------------------------------------------


def valkey(url: str) -> dict[str, object]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 1,
            "SOCKET_TIMEOUT": 1,
        },
    }


# `default` is STATE, because what libraries keep there (sessions, rate limits, one-time codes)
# must not be evicted; `cache` is CACHE, used through `socialfeed.common.valkey` only.
CACHES = {"default": valkey(required("STATE_URL")), "cache": valkey(required("CACHE_URL"))}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"

# --- Object storage -------------------------------------------------------------------------------

S3_BUCKET_NAME = required("S3_BUCKET")
# Where clients fetch media: the endpoint itself, or a CDN in front of the bucket.
MEDIA_PUBLIC_BASE = (
    env.str("MEDIA_PUBLIC_BASE", default="") or f"{required('S3_ENDPOINT_URL')}/{S3_BUCKET_NAME}"
).rstrip("/")
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "endpoint_url": required("S3_ENDPOINT_URL"),
            "bucket_name": S3_BUCKET_NAME,
            "access_key": required("AWS_ACCESS_KEY_ID"),
            "secret_key": required("AWS_SECRET_ACCESS_KEY"),
            "region_name": env.str("S3_REGION", default="us-east-1"),
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
MEDIA_MAX_BYTES = env.int("MEDIA_MAX_BYTES", default=10 * 1024 * 1024)
MEDIA_MAX_PIXELS = env.int("MEDIA_MAX_PIXELS", default=30_000_000)

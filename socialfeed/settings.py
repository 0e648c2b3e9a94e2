"""Settings, all from the environment, each documented in `.env.example`.

Without any variable set this is the local stack: the bundled servers at the addresses of
`socialfeed.stack.layout`. `SOCIALFEED_ENV=production` takes no default that would be unsafe and
refuses to start until its secrets and addresses are given.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from django.core.exceptions import ImproperlyConfigured

from socialfeed.stack.layout import S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY, Layout

# Lets `ModelAdmin[Post]` and the like stand in the code, which the type checker needs.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
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


# --- Django -------------------------------------------------------------------------------------

SECRET_KEY = required("SECRET_KEY")
DEBUG = False
PUBLIC_ORIGIN = required("PUBLIC_ORIGIN").rstrip("/")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    default=["localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_ORIGIN).hostname or ""],
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_ORIGIN]
# `read` and `write` behind the web server; `all` for commands, tasks and the tests.
API_ROLE = env.str("API_ROLE", default="all")
if API_ROLE not in {"read", "write", "all"}:
    raise ImproperlyConfigured("API_ROLE must be 'read', 'write' or 'all'.")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "socialfeed.apps.SocialfeedConfig",
    "media",
    "users",
    "usergraph",
    "posts",
    "comments",
    "timeline",
    "fanout",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "socialfeed.common.problems.ProblemMiddleware",
    "socialfeed.health.HealthMiddleware",
    "socialfeed.common.consistency.ConsistencyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "socialfeed.urls"
WSGI_APPLICATION = "socialfeed.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(LAYOUT.var_dir / "static"))

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "socialfeed" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Behind a web server that ends TLS.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_ORIGIN.startswith("https://")
SECURE_REFERRER_POLICY = "same-origin"

# --- SQL: three databases, each a primary and a replica -------------------------------------------


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

# --- Celery ---------------------------------------------------------------------------------------

CELERY_BROKER_URL = required("STATE_URL")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "celery:",
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    "max_retries": 1,
    "interval_start": 0,
}
# A request that cannot wake a worker answers all the same: the sweeper wakes it later.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# How often the durable counters are brought up to date with the likes and comments, in seconds.
# Nobody sees that they lag, as what is not in them yet is added to them.
COUNTERS_SETTLE_SECONDS = env.float("COUNTERS_SETTLE_SECONDS", default=2.0)
# How often those that have changed are compared with what was counted, in seconds.
COUNTERS_CHECK_SECONDS = env.float("COUNTERS_CHECK_SECONDS", default=60.0)
# How often a sample of timelines is compared with SQL, in seconds.
TIMELINE_AUDIT_SECONDS = env.float("TIMELINE_AUDIT_SECONDS", default=60.0)
CELERY_BEAT_SCHEDULE = {
    "sweep-outbox": {
        "task": "fanout.tasks.sweep_outbox",
        "schedule": env.float("FANOUT_SWEEP_SECONDS", default=5.0),
    },
    "settle-likes": {"task": "posts.tasks.settle_likes", "schedule": COUNTERS_SETTLE_SECONDS},
    "settle-comments": {
        "task": "comments.tasks.settle_comments",
        "schedule": COUNTERS_SETTLE_SECONDS,
    },
    "reconcile-counters": {
        "task": "fanout.tasks.reconcile_counters",
        "schedule": COUNTERS_CHECK_SECONDS,
    },
    "prune-outbox": {"task": "fanout.tasks.prune_outbox", "schedule": 3600.0},
    "audit-timelines": {
        "task": "timeline.tasks.audit_timelines",
        "schedule": TIMELINE_AUDIT_SECONDS,
        # The next one does as well: none piles up while no worker runs.
        "options": {"expires": TIMELINE_AUDIT_SECONDS},
    },
}

# --- Graph, fan-out and timelines -----------------------------------------------------------------

# How many accounts one user may follow. A home timeline is rebuilt from all of them.
FOLLOWING_LIMIT = env.int("FOLLOWING_LIMIT", default=7500)
# Authors with more followers than this are not pushed to home timelines but pulled when those are
# read, so the work of a post is bounded. (Twitter's hybrid; the figure is where one delivery takes
# about a tenth of a second of one worker.) They are pushed again at 80 % of it.
FANOUT_PUSH_LIMIT = env.int("FANOUT_PUSH_LIMIT", default=10_000)
# Timelines that one round trip delivers to; also the step of a delivery's cursor.
FANOUT_BATCH_SIZE = env.int("FANOUT_BATCH_SIZE", default=1000)
# A delivery that has not saved its cursor for so many seconds is taken over by another worker.
FANOUT_LEASE_SECONDS = env.int("FANOUT_LEASE_SECONDS", default=30)
# Done outbox rows are kept for so many days, for staff to look at.
FANOUT_OUTBOX_DAYS = env.int("FANOUT_OUTBOX_DAYS", default=7)
# Entries of a timeline in Valkey; what is older comes from SQL.
TIMELINE_CAP = env.int("TIMELINE_CAP", default=800)
# A timeline that nobody reads for so many days leaves Valkey.
TIMELINE_IDLE_DAYS = env.int("TIMELINE_IDLE_DAYS", default=14)
# How many timelines an audit compares with SQL, some 10 ms each; 0: none.
TIMELINE_AUDIT_SAMPLE = env.int("TIMELINE_AUDIT_SAMPLE", default=20)

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

# --- Accounts -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_SERVE_SPECIFICATION = True  # merged into ours by socialfeed.schema
HEADLESS_ADAPTER = "users.headless.StringIds"
HEADLESS_TOKEN_STRATEGY = "users.headless.SessionTokens"  # noqa: S105  (a class)
HEADLESS_JWT_ALGORITHM = "HS256"  # signed with SECRET_KEY: this service issues and checks them
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = env.int("ACCESS_TOKEN_SECONDS", default=900)
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = SESSION_COOKIE_AGE = 30 * 24 * 3600
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": PUBLIC_ORIGIN + "/account/verify-email/{key}",
    "account_reset_password": PUBLIC_ORIGIN + "/account/password-reset",
    "account_reset_password_from_key": PUBLIC_ORIGIN + "/account/password-reset/{key}",
    "account_signup": PUBLIC_ORIGIN + "/",
}
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.str(
    "EMAIL_VERIFICATION", default="optional" if LOCAL else "mandatory"
)
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=1)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "socialfeed"

vars().update(env.email_url_config(required("EMAIL_URL")))
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="socialfeed <no-reply@localhost>")

# --- API ------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["users.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["socialfeed.common.rendering.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "socialfeed.common.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "socialfeed.common.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "socialfeed API",
    "DESCRIPTION": (
        "An open photo feed. Sign up and log in under `/_allauth/app/v1/`, then send "
        "`Authorization: Bearer <access token>`. Ids are strings; times are RFC 3339 UTC; errors "
        "are RFC 9457 problem documents; lists are `{results, next}` with an opaque cursor."
    ),
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "TAGS": [
        {"name": "accounts", "description": "Sign up, log in, tokens, e-mail, password, TOTP."},
        {"name": "users", "description": "Profiles."},
        {"name": "graph", "description": "Who follows whom."},
        {"name": "media", "description": "Pictures."},
        {"name": "posts", "description": "Publish, read, edit, delete."},
        {"name": "likes", "description": "Who likes which post or comment."},
        {"name": "comments", "description": "What people say about posts."},
        {"name": "timelines", "description": "Home and profile timelines."},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "socialfeed.schema.add_account_endpoints",
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
}

"""Django itself: the role of this instance, its apps, its middleware and its pages."""

from urllib.parse import urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from socialfeed.settings.cors import CORS_ALLOWED_ORIGINS
from socialfeed.settings.environment import _BASE_DIR, _LAYOUT, _env, _required, _secret_key

# Allows `ModelAdmin[Post]` and the like in the code, which the type checker needs.
django_stubs_ext.monkeypatch()

SECRET_KEY = _secret_key()
DEBUG = False
PUBLIC_ORIGIN = _required("PUBLIC_ORIGIN").rstrip("/")
ALLOWED_HOSTS = _env.list(
    "ALLOWED_HOSTS",
    default=["localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_ORIGIN).hostname or ""],
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_ORIGIN]
# Whether people without an account see public posts and profiles, and links to them have previews.
PUBLIC_PAGES = _env.bool("PUBLIC_PAGES", default=True)
# `read` and `write`: an API behind the web server. `all`: commands, tasks and tests.
API_ROLE = _env.str("API_ROLE", default="all")
if API_ROLE not in {"read", "write", "all"}:
    raise ImproperlyConfigured("API_ROLE must be 'read', 'write' or 'all'.")

# While more requests than this run or wait in an API process, it answers 503. The web server holds
# none back. The costliest reads wait for a second at most; most of a write is waiting.
MAX_REQUESTS_IN_FLIGHT = _env.int(
    "MAX_REQUESTS_IN_FLIGHT", default=160 if API_ROLE == "write" else 80
)
# In any BODY_PATIENCE_SECONDS a request's body must bring MIN_BODY_BYTES_PER_SECOND, or end; else
# it is answered 408. The web server waits longer than twice this time (deploy/Caddyfile).
BODY_PATIENCE_SECONDS = _env.float("BODY_PATIENCE_SECONDS", default=15.0)
MIN_BODY_BYTES_PER_SECOND = _env.int("MIN_BODY_BYTES_PER_SECOND", default=4096)
# So many bodies arrive in an API process at the same time; for one more, the address that has the
# most of them loses its most silent one.
MAX_BODIES_ARRIVING = _env.int("MAX_BODIES_ARRIVING", default=128)
# An API process receives so many bytes a second of large bodies from one address, after a first one
# of any size; it reads a faster client more slowly.
MAX_BODY_BYTES_PER_SECOND = _env.int("MAX_BODY_BYTES_PER_SECOND", default=2_000_000)
if MAX_BODY_BYTES_PER_SECOND < 100_000:
    raise ImproperlyConfigured("MAX_BODY_BYTES_PER_SECOND must be 100000 or more.")

INSTALLED_APPS = [
    "socialfeed.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    *(["corsheaders"] if CORS_ALLOWED_ORIGINS else []),
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # Its commands replace those of the apps below it.
    "socialfeed.apps.SocialfeedConfig",
    "rest_framework",
    "devstack",
    "core",
    "media",
    "users",
    "usergraph",
    "posts",
    "comments",
    "timeline",
    "fanout",
    "operations",
]

# For the pages of staff, which have cookies, and for django-allauth's addresses, which need a
# session to put aside. The Write API gets both (deploy/Caddyfile).
_FOR_COOKIES = [
    "users.session_stores.AdminSessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "users.accounts.devices.DeviceMiddleware",
]
SILENCED_SYSTEM_CHECKS = [
    # Browsers' preload lists: only the owner of the domain can decide that, as it cannot be undone.
    "security.W021",
]
if API_ROLE == "read":
    # The admin needs the first three, and cookies the fourth (CSRF). The Read API gets no requests
    # for the admin and reads no cookie.
    SILENCED_SYSTEM_CHECKS += ["admin.E408", "admin.E409", "admin.E410", "security.W003"]
MIDDLEWARE = [
    "core.http.requests.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "core.http.csp.PagePolicyMiddleware",
    "core.http.problems.ProblemMiddleware",
    "core.http.health.HealthMiddleware",
    "core.http.requests.MeasureMiddleware",
    # Answers preflights, which have no token, before anything that could refuse them.
    *(["core.http.cors.CrossOriginMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "core.http.requests.RoleMiddleware",
    "core.http.methods.MethodMiddleware",
    "core.http.limits.middleware.RateLimitMiddleware",
    "core.sql.ConsistencyMiddleware",
    "django.middleware.common.CommonMiddleware",
    *([] if API_ROLE == "read" else _FOR_COOKIES),
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
STATIC_ROOT = _env.str("STATIC_ROOT", default=str(_LAYOUT.var_dir / "static"))
# What `make web` has built. `manage.py prepare` copies it to STATIC_ROOT.
WEB_CLIENT_DIR = _BASE_DIR / "web" / "dist"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_BASE_DIR / "socialfeed" / "templates"],
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

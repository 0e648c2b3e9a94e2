"""Settings come from the environment, are documented, and are safe in production."""

import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest
from django.conf import global_settings

from core.http.health import HealthMiddleware
from devstack.layout import PROJECT_DIR, S3_SECRET_KEY, Layout
from devstack.lifecycle import Stack
from tests.support.production import REQUIRED, production

# Where a setting may be read from the environment.
SOURCES = ["socialfeed/settings", "deploy", "devstack"]
READS = r"(?:env\.\w+|required|rate_limit|environ\.get)\(\s*\"([A-Z0-9_]+)\"|{\$([A-Z0-9_]+)"
# What the stack passes to its own processes, and the system's own variables.
NOT_SETTINGS = {"HOME", "PATH", "LC_ALL", "SOCIALFEED_STACK"}


def names_in_code() -> set[str]:
    names = {*REQUIRED, *Layout.from_environ({}).urls()}
    for source in SOURCES:
        path = PROJECT_DIR / source
        for file in path.glob("*") if path.is_dir() else [path]:
            if file.is_file():
                names |= {one or other for one, other in re.findall(READS, file.read_text())}
    return names - NOT_SETTINGS


def test_env_example_documents_each_setting_and_no_other() -> None:
    example = (PROJECT_DIR / ".env.example").read_text()
    assert set(re.findall(r"^# ([A-Z0-9_]+)=", example, re.MULTILINE)) == names_in_code()


# Settings that our code does not name: Django's without a default, and those of libraries.
KNOWN_TO_DJANGO = {"EMAIL_FILE_PATH", "ROOT_URLCONF"}
KNOWN_TO_LIBRARIES = (
    *("ACCOUNT_", "ALLAUTH_", "CELERY_", "CORS_", "HEADLESS_", "MFA_", "REST_FRAMEWORK"),
    *("SPECTACULAR_SETTINGS", "CONTENT_SECURITY_POLICY"),
)


def test_only_settings_are_in_the_settings() -> None:
    """`import *` makes a setting of each helper whose name has no underscore."""
    module = sys.modules["socialfeed.settings"]
    ours = {name for name in vars(module) if name.isupper() and not hasattr(global_settings, name)}
    assert "TIMELINE_CAP" in ours
    used: set[str] = set()
    for path in PROJECT_DIR.glob("[a-z]*/**/*.py"):
        used |= set(re.findall(r"\bsettings\.([A-Z0-9_]+)", path.read_text()))
    unknown = ours - used - KNOWN_TO_DJANGO
    assert not {name for name in unknown if not name.startswith(KNOWN_TO_LIBRARIES)}
    functions = {name for name, value in vars(module).items() if isinstance(value, FunctionType)}
    public = {name for name in functions if not name.startswith("_")}
    assert not {name for name in public if vars(module)[name].__module__.startswith("socialfeed")}


def urls(stack: Stack) -> dict[str, str]:
    """The addresses of the stack's servers; production needs no replica."""
    return {name: url for name, url in stack.layout.urls().items() if name in REQUIRED}


def load_settings(tmp_path: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Import the settings in a process with no other environment."""
    return run(tmp_path, "import socialfeed.settings", environ)


def run(tmp_path: Path, code: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process with no other environment."""
    bare = {"PATH": os.environ["PATH"], "STACK_VAR_DIR": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=bare | environ,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["LEASE_SECONDS", "SWEEP_SECONDS", "OUTBOX_DAYS"])
def test_a_setting_by_its_former_name_is_refused(tmp_path: Path, name: str) -> None:
    done = load_settings(tmp_path, {f"FANOUT_{name}": "7"})
    assert done.returncode == 1
    assert f"FANOUT_{name} is called OUTBOX_{name.removeprefix('OUTBOX_')} now." in done.stderr


def test_production_starts_with_all_it_needs(tmp_path: Path) -> None:
    assert load_settings(tmp_path, production()).stderr == ""


def test_without_a_named_origin_nothing_is_there_for_other_origins(tmp_path: Path) -> None:
    code = (
        "from socialfeed.settings import CORS_ALLOWED_ORIGINS, INSTALLED_APPS, MIDDLEWARE\n"
        "print([one for one in INSTALLED_APPS + MIDDLEWARE if 'cors' in one], CORS_ALLOWED_ORIGINS)"
    )
    assert run(tmp_path, code, production()).stdout == "[] []\n"
    named = production() | {"CORS_ALLOWED_ORIGINS": "https://app.example.org"}
    assert "core.http.cors.CrossOriginMiddleware" in run(tmp_path, code, named).stdout


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "null", "app.example.org", "https://app.example.org/", "https://*.example.org"),
        *("https://App.example.org", "https://a.org https://b.org", "https://a.org, https://b.org"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(tmp_path: Path, origin: str) -> None:
    loaded = load_settings(tmp_path, production() | {"CORS_ALLOWED_ORIGINS": origin})
    assert loaded.returncode == 1
    assert "CORS_ALLOWED_ORIGINS has" in loaded.stderr


@pytest.mark.parametrize("role", ["read", "write", "all"])
def test_commands_run_in_any_role(role: str) -> None:
    environ = {**os.environ, "API_ROLE": role}
    command = [sys.executable, str(PROJECT_DIR / "manage.py"), "check"]
    subprocess.run(command, env=environ, check=True, capture_output=True)


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_production_refuses_to_start_without(name: str, tmp_path: Path) -> None:
    loaded = load_settings(tmp_path, production() | {name: ""})
    assert loaded.returncode != 0
    assert f"{name} must be set in production" in loaded.stderr


LOCAL_KEY = "local-only-secret-key-that-signs-nothing-of-value"


@pytest.mark.parametrize(
    ("key", "weakness"),
    [
        ("x", "it has 1 characters, and needs 50"),
        ("abcdefghijklmnopqrstuvwxyz0123456789-_.abcdefghij", "it has 49 characters"),
        ("x" * 60, "it has 1 different characters, and needs 10"),
        ("abcdefghi" * 9, "it has 9 different characters"),
        ("django-insecure-" + "abcdefghijklmnopqrstuvwxyz0123456789" * 2, "Django has made"),
    ],
)
def test_production_refuses_a_weak_secret_key_and_says_how_to_make_one(
    tmp_path: Path, key: str, weakness: str
) -> None:
    loaded = load_settings(tmp_path, production() | {"SECRET_KEY": key})
    assert loaded.returncode != 0
    assert f"SECRET_KEY is too weak for production: {weakness}" in loaded.stderr
    assert "secrets.token_urlsafe(50)" in loaded.stderr


@pytest.mark.parametrize("key", [secrets.token_urlsafe(50), secrets.token_hex(32)])
def test_production_takes_a_random_secret_key(tmp_path: Path, key: str) -> None:
    assert load_settings(tmp_path, production() | {"SECRET_KEY": key}).stderr == ""


@pytest.mark.parametrize(
    ("name", "value"), [("SECRET_KEY", LOCAL_KEY), ("AWS_SECRET_ACCESS_KEY", S3_SECRET_KEY)]
)
def test_production_refuses_the_secrets_of_the_local_stack(
    tmp_path: Path, name: str, value: str
) -> None:
    loaded = load_settings(tmp_path, production() | {name: value})
    assert loaded.returncode != 0
    assert f"{name} is that of the local stack" in loaded.stderr
    assert load_settings(tmp_path, {name: value}).stderr == "", "locally it is the default"


def test_production_refuses_a_public_address_without_tls(tmp_path: Path) -> None:
    loaded = load_settings(tmp_path, production() | {"PUBLIC_ORIGIN": "http://feed.example.org"})
    assert loaded.returncode != 0
    assert "PUBLIC_ORIGIN must begin with https://" in loaded.stderr


def test_only_the_local_stack_lets_staff_in_without_a_second_factor(tmp_path: Path) -> None:
    loaded = load_settings(tmp_path, production() | {"ADMIN_REQUIRES_TOTP": "off"})
    assert loaded.returncode != 0
    assert "ADMIN_REQUIRES_TOTP can be off on the local stack only" in loaded.stderr
    code = "import socialfeed.settings as ours; print(ours.ADMIN_REQUIRES_TOTP)"
    assert run(tmp_path, code, production()).stdout == "True\n"
    assert run(tmp_path, code, {}).stdout == "False\n", "so that the demo login works"
    assert run(tmp_path, code, {"ADMIN_REQUIRES_TOTP": "on"}).stdout == "True\n"


# One process, for it takes seconds to set Django up: prints the answers to these requests.
ASK = """
import django, json
django.setup()
from django.test import Client
def ask(path, **headers):
    answer = Client(raise_request_exception=False).get(path, headers=headers)
    cookies = {name: cookie.output() for name, cookie in answer.cookies.items()}
    return {"status": answer.status_code, "headers": dict(answer.headers), "cookies": cookies}
public = {"host": "feed.example.org"}
secure = public | {"x-forwarded-proto": "https"}
plain = [ask(path, **public) for path in ("/", "/api/v1/users/me?a=1", "/admin/login/")]
probes = {path: ask(path, host="10.0.0.7:8000") for path in PROBES}
print(json.dumps([plain, probes, ask("/developers/", **secure), ask("/admin/login/", **secure)]))
"""


def test_production_redirects_to_https_but_no_probe_and_its_cookies_are_secure(
    tmp_path: Path, stack: Stack
) -> None:
    """Only a probe by any address is answered without TLS. STATE is that of the test stack."""
    environ = production() | urls(stack)
    environ |= {"DJANGO_SETTINGS_MODULE": "socialfeed.settings", "API_ROLE": "write"}
    code = f"PROBES = {list(HealthMiddleware.pages)}\n{ASK}"
    done = run(tmp_path, code, environ)
    assert done.returncode == 0, done.stderr
    plain, probes, front, log_in = json.loads(done.stdout.splitlines()[-1])
    assert [answer["status"] for answer in plain] == [301, 301, 301]
    address = "https://feed.example.org/api/v1/users/me?a=1"
    assert plain[1]["headers"]["Location"] == address
    assert "Strict-Transport-Security" not in plain[0]["headers"], "browsers ignore it without TLS"
    assert {path: answer["status"] for path, answer in probes.items()} == dict.fromkeys(probes, 200)
    policy = f"max-age={365 * 24 * 3600}; includeSubDomains"
    assert front["status"] == 200
    assert front["headers"]["Strict-Transport-Security"] == policy
    for cookie in log_in["cookies"].values():
        assert "Secure" in cookie
    assert "__Host-csrftoken" in log_in["cookies"]


def test_in_production_browsers_take_the_refresh_token_by_https_only(tmp_path: Path) -> None:
    code = (
        "import socialfeed.settings as ours;"
        "print(ours.REFRESH_COOKIE_NAME, ours.SESSION_COOKIE_SECURE)"
    )
    assert run(tmp_path, code, production()).stdout == "__Secure-refresh_token True\n"
    assert run(tmp_path, code, {}).stdout == "refresh_token False\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOCIALFEED_ENV", "prod"),
        ("API_ROLE", "reader"),
        ("LOG_FORMAT", "xml"),
        ("STACK_PORT_BASE", "eighty"),
        ("CACHE_URL", "redis-cluster://cache.example"),
        ("CACHE_URL", "sentinel://cache.example:26379/Cache"),
        ("STATE_URL", "redis-cluster://state.example:6379"),
        ("RATE_LIMIT_LOGIN", "many"),
        ("RATE_LIMIT_LOGIN", "10/fortnight"),
        ("RATE_LIMIT_LOGIN", "10/minute; 100/hour"),
        ("RATE_LIMIT_LOGIN", "0/minute"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(
    name: str, value: str, tmp_path: Path
) -> None:
    loaded = load_settings(tmp_path, {name: value})
    assert loaded.returncode != 0
    assert name in loaded.stderr

"""Settings come from the environment, are documented, and are safe in production."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest
from django.conf import global_settings

from devstack.layout import PROJECT_DIR, Layout

REQUIRED = {
    *(name for name in Layout.from_environ({}).urls() if "REPLICA" not in name),
    *("SECRET_KEY", "PUBLIC_ORIGIN", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "EMAIL_URL",
}
# Where a setting may be read from the environment.
SOURCES = ["socialfeed/settings", "deploy", "devstack"]
READS = r"(?:env\.\w+|required|rate_limit|environ\.get)\(\s*\"([A-Z0-9_]+)\"|{\$([A-Z_]+)"
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
    *("ACCOUNT_", "ALLAUTH_", "CELERY_", "HEADLESS_", "MFA_", "REST_FRAMEWORK"),
    "SPECTACULAR_SETTINGS",
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


def load_settings(tmp_path: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Import the settings in a process with no other environment."""
    bare = {"PATH": os.environ["PATH"], "STACK_VAR_DIR": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", "import socialfeed.settings"],
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


def production() -> dict[str, str]:
    """An environment with all that production needs."""
    values = dict.fromkeys(REQUIRED, "something") | {"EMAIL_URL": "smtp://localhost:25"}
    urls = {n: u for n, u in Layout.from_environ({}).urls().items() if n in REQUIRED}
    return values | urls | {"SOCIALFEED_ENV": "production"}


def test_production_starts_with_all_it_needs(tmp_path: Path) -> None:
    assert load_settings(tmp_path, production()).stderr == ""


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOCIALFEED_ENV", "prod"),
        ("API_ROLE", "reader"),
        ("LOG_FORMAT", "xml"),
        ("STACK_PORT_BASE", "eighty"),
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

"""The commands of Django and of its apps that this project replaces."""

import io
import json

import pytest
from django.core.management import (
    CommandError,
    ManagementUtility,
    call_command,
    get_commands,
    load_command_class,
)

from core.http.schema import render_schema


@pytest.mark.parametrize("arguments", [[], ["posts", "--keepdb"], ["-k", "timeline"]], ids=" ".join)
def test_manage_py_test_says_how_to_run_the_tests(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        ManagementUtility(["manage.py", "test", *arguments]).execute()
    assert ended.value.code == 1
    assert "run under pytest: `make test`" in capsys.readouterr().err


def test_testserver_says_how_to_try_the_service_out() -> None:
    with pytest.raises(CommandError, match="`make run`"):
        call_command("testserver")


def test_generateschema_makes_the_schema_that_the_service_has() -> None:
    output = io.StringIO()
    call_command("generateschema", "--format", "openapi-json", stdout=output)
    assert json.loads(output.getvalue()) == json.loads(render_schema()["openapi.json"])
    output = io.StringIO()
    call_command("generateschema", stdout=output)
    assert output.getvalue().rstrip("\n") == render_schema()["openapi.yaml"].decode().rstrip("\n")


def test_every_command_explains_itself() -> None:
    for name, app in get_commands().items():
        command = app if not isinstance(app, str) else load_command_class(app, name)
        assert command.create_parser("manage.py", name).format_help()
        if not command.__module__.startswith(("django.", "allauth.")):
            assert command.help, name

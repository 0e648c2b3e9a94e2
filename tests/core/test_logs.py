"""A log line is one JSON object, whatever is in it."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from logging.config import DictConfigurator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import RequestFactory

from core import context, logs
from core.valkey import CircuitOpen
from socialfeed.settings.log_format import default_format, formatter


@pytest.fixture
def as_worker() -> Iterator[None]:
    before = logs._role
    logs.set_role("worker")
    yield
    logs.set_role(before)


def logged(message: str, *args: object, **keywords: Any) -> dict[str, Any]:
    """The line of one record, decoded."""
    record = logging.getLogger("x.y").makeRecord(
        *("x.y", logging.WARNING, __file__, 1, message, args),
        keywords.pop("exc_info", None),
        extra=keywords,
    )
    assert logs.ContextFilter(logs._role).filter(record)
    configurator: Any = DictConfigurator({"formatters": {"f": formatter("json")}})
    line = configurator.configure_formatter(configurator.config["formatters"]["f"]).format(record)
    assert len(line.splitlines()) == 1
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def test_a_line_says_when_who_what_and_for_which_request(as_worker: None) -> None:
    token = context.request_id.set("r-1")
    before = datetime.now(UTC)
    line = logged("delivered %d", 3, entries=3)
    context.request_id.reset(token)
    assert before <= datetime.fromisoformat(line["time"]) <= datetime.now(UTC)
    assert line.pop("time").endswith("+00:00")
    assert line.pop("pid") > 0
    assert line == {
        "level": "WARNING",
        "logger": "x.y",
        "message": "delivered 3",
        "request_id": "r-1",
        "role": "worker",
        "entries": 3,
    }


def test_a_traceback_is_a_member_of_the_line() -> None:
    try:
        raise ValueError("no\nsuch thing")
    except ValueError:
        line = logged("failed", exc_info=sys.exc_info())
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no\nsuch thing")


@pytest.mark.parametrize("text", ["\ud800", "\x00\x1b[31m", "\u2028", 'a"b\\c\r\nd', "äöü 🌊"])
def test_whatever_is_logged_comes_out_as_it_went_in(text: str) -> None:
    assert logged("%s", text, value=text)["message"] == text


def test_what_json_cannot_say_is_said_as_text() -> None:
    assert "object" in logged("odd", value=object())["value"]


def test_an_address_with_its_query_is_not_logged() -> None:
    request = RequestFactory().get("/x", {"token": "secret"})
    assert "secret" not in json.dumps(logged("Not Found: /x", request=request, status_code=404))


def test_production_logs_json_and_everything_else_lines() -> None:
    assert default_format(socialfeed_env="production") == "json"
    assert settings.LOG_FORMAT == default_format(socialfeed_env="local") == "line"
    with pytest.raises(ValueError, match="LOG_FORMAT must be"):
        formatter("xml")


@pytest.mark.parametrize(
    ("error", "is_logged"), [(CircuitOpen(), False), (redis.ConnectionError(), True)]
)
def test_an_open_circuit_is_not_logged_again(error: Exception, is_logged: bool) -> None:
    info = (type(error), error, None)
    record = logging.LogRecord("any", logging.ERROR, "", 1, "CACHE is down", (), info)
    assert logs.RepetitionFilter().filter(record) == is_logged


@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        (
            "%s: %s",
            ("Not Found", "/account/password-reset/1-abc-def"),
            "Not Found: /account/password-reset/",
        ),
        (
            "GET /account/verify-email/MQ:1abc:Zz-_9?x=y failed",
            (),
            "GET /account/verify-email/ failed",
        ),
        ("GET /api/v1/users?search=a&token=b", (), "GET /api/v1/users"),
        ("'/nowhere?key=a%20b' is unknown", (), "'/nowhere' is unknown"),
        ("Is it up? It is: %d", (1,), "Is it up? It is: 1"),
        ("/account/verify-email/ has a key", (), "/account/verify-email/ has a key"),
    ],
)
def test_a_line_has_no_secret_of_an_address(
    message: str, args: tuple[Any, ...], shown: str
) -> None:
    record = logging.getLogger("x.y").makeRecord("x.y", 30, __file__, 1, message, args, None)
    assert logs.SecretsFilter().filter(record)
    assert record.getMessage() == shown

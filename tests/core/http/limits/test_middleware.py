"""The headers that tell a client its limits."""

from collections.abc import Callable

import pytest
from django.test import Client
from limits import RateLimitItem
from rest_framework.test import APIClient

pytestmark = pytest.mark.usefixtures("stack")
ME = "/api/v1/users/me"
Limited = Callable[[str, str], RateLimitItem]
Bearer = Callable[[int, str], APIClient]


def test_the_headers_say_what_is_left_and_when_there_is_more(
    address: str, limited: Limited
) -> None:
    limited("ip", "2/minute")
    client = Client(REMOTE_ADDR=address)
    for remaining in ("1", "0", "0"):
        answer = client.get("/developers/")
        assert answer["RateLimit-Limit"] == "2"
        assert answer["RateLimit-Remaining"] == remaining
        assert 58 <= int(answer["RateLimit-Reset"]) <= 60
        assert answer["RateLimit-Policy"] == "2;w=60"
    assert answer.status_code == 429
    assert answer["Retry-After"] == answer["RateLimit-Reset"]
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert f"in {answer['Retry-After']} seconds" in answer.text
    refused = client.get(ME)
    assert refused["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["type"], problem["status"]) == ("/problems/too-many-requests", 429)
    assert f"in {refused['Retry-After']} seconds" in problem["detail"]


@pytest.mark.django_db
def test_the_headers_are_of_the_limit_with_the_fewest_requests_left(
    alice: int, bearer: Bearer, address: str, limited: Limited
) -> None:
    limited("ip", "50/hour")
    limited("read", "9/minute")
    client = bearer(alice, address)
    answer = client.get(ME)
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("9", "8")
    assert answer["RateLimit-Policy"] == "50;w=3600, 9;w=60"
    limited("ip", "5/hour")
    answer = client.get(ME)
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("5", "4")
    assert int(answer["RateLimit-Reset"]) > 3500

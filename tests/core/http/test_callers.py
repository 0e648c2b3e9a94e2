"""Which address a request came from, whatever its headers claim."""

from typing import Any

import pytest
from django.test import RequestFactory

from core.http.callers import client_address

PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        pytest.param(1, "203.0.113.7", "203.0.113.7", id="what our proxy says"),
        pytest.param(1, "198.51.100.1, 203.0.113.7", "203.0.113.7", id="and not the client"),
        pytest.param(2, "198.51.100.1,203.0.113.7,10.0.0.9", "203.0.113.7", id="two proxies"),
        pytest.param(2, "203.0.113.7", PROXY, id="fewer entries than proxies"),
        pytest.param(0, "203.0.113.7", PROXY, id="no proxy"),
        pytest.param(1, None, PROXY, id="no header"),
        pytest.param(1, "", PROXY, id="nothing in it"),
        pytest.param(1, "203.0.113.7, ", PROXY, id="a comma at the end"),
        pytest.param(1, "203.0.113.7, me", PROXY, id="no address"),
        pytest.param(1, "203.0.113.7}{x", PROXY, id="no address, with braces"),
        pytest.param(1, "2001:db8:1:2:3::4", "2001:db8:1:2::/64", id="IPv6 by its network"),
        pytest.param(1, "2001:db8:1:2:ffff::", "2001:db8:1:2::/64", id="of the same network"),
        pytest.param(1, "::ffff:203.0.113.7", "203.0.113.7", id="IPv4 in IPv6"),
        pytest.param(1, "fe80::1%eth0", "fe80::/64", id="with a zone"),
    ],
)
def test_the_address_is_the_one_that_our_own_proxies_have_seen(
    settings: Any, proxies: int, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    spoofed = {"X-Real-IP": "198.51.100.9", "Forwarded": "for=198.51.100.9"}
    request = RequestFactory(REMOTE_ADDR=PROXY).get("/", headers=headers | spoofed)
    assert client_address(request) == address


def test_a_connection_without_an_address_is_counted_with_others_of_its_kind() -> None:
    assert client_address(RequestFactory(REMOTE_ADDR="").get("/")) == "unknown"

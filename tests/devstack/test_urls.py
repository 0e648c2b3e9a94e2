"""URLs of Sentinels."""

import pytest

from devstack.urls import Sentinels, mask, sentinels_of


def test_a_url_names_sentinels_and_their_group() -> None:
    url = "sentinel://app:s%40crt@a.example:26379,[::1]:26380/State/2?sentinel_password=x+%40"
    assert sentinels_of(url) == Sentinels(
        hosts=(("a.example", 26379), ("::1", 26380)),
        name="State",
        database=2,
        login="app:s%40crt@",
        password="x+@",
    )
    assert sentinels_of("redis://localhost:6379/0") is None


def test_celery_takes_another_form() -> None:
    found = sentinels_of("sentinel://:pw@a:1,[::1]:2/State")
    assert found is not None
    assert found.broker_url == "sentinel://:pw@a:1/0;sentinel://:pw@[::1]:2/0"


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://",
        "sentinel://a:1",
        "sentinel://a/State",
        "sentinel://a:1,/S",
        "sentinel://a:1/S/x",
        "sentinel://a:1/S?ssl=true",
        "sentinel://a:1/S?sentinel_password=x&ssl=true",
    ],
)
def test_a_malformed_url_is_refused_with_the_form(url: str) -> None:
    with pytest.raises(ValueError, match=r"sentinel://\[USER:PASSWORD@\]HOST:PORT"):
        sentinels_of(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:p%40ss@db:5432/x", "postgres://u:***@db:5432/x"),
        ("redis://:s@h/0", "redis://:***@h/0"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("sentinel://u:s@a:1,b:2/State?sentinel_password=t", "sentinel://u:***@a:1,b:2/State"),
    ],
)
def test_passwords_are_masked(url: str, shown: str) -> None:
    assert mask(url) == shown

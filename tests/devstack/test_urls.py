"""URLs of databases on several hosts, of Sentinels and of clusters."""

import pytest

from devstack.urls import (
    ClusterAddress,
    Sentinels,
    cluster_of,
    mask,
    sentinels_of,
    urls_of_hosts,
)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@db:5432/posts",
        "postgres://db/posts?sslmode=require",
        "postgres://u:a,b@[::1]:5432/posts",
        "postgres:////run/postgresql/posts",
        "postgres://%2Frun%2Fpostgresql/posts?options=-c%20a=1,2",
    ],
)
def test_a_database_on_one_host_keeps_its_url(url: str) -> None:
    assert urls_of_hosts(url) == [url]


def test_a_database_on_several_hosts_has_a_url_for_each() -> None:
    assert urls_of_hosts("postgres://u:a%2Cb,c@a:1,[::1]:2,c/posts?sslmode=require") == [
        "postgres://u:a%2Cb,c@a:1/posts?sslmode=require",
        "postgres://u:a%2Cb,c@[::1]:2/posts?sslmode=require",
        "postgres://u:a%2Cb,c@c/posts?sslmode=require",
    ]


@pytest.mark.parametrize(
    "url",
    [
        *(
            f"postgres://u:p@{hosts}/posts"
            for hosts in ("a,", ",a", "a,,b", "a, b", ":1,b", "a:x,b")
        ),
        "postgres://u:p@a,b",
        "postgres://u:p@a,b/",
        "postgres://u:p#w@a,b/posts",
    ],
)
def test_a_malformed_url_of_a_database_on_several_hosts_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="has the form postgres://"):
        urls_of_hosts(url)


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
    ("url", "of_the_first"),
    [
        ("redis-cluster://u:p%40@a:1,[::1]:2", "redis://u:p%40@a:1"),
        ("rediss-cluster://a:1,[::1]:2/0?ssl_ca_certs=x", "rediss://a:1?ssl_ca_certs=x"),
        ("redis://a:1,[::1]:2/", "redis://a:1"),
    ],
)
def test_a_url_names_servers_of_a_cluster(url: str, of_the_first: str) -> None:
    assert cluster_of(url) == ClusterAddress((("a", 1), ("::1", 2)), of_the_first)


def test_a_cluster_may_be_named_by_one_of_its_servers() -> None:
    found = cluster_of("redis-cluster://a:1")
    assert found is not None
    assert found.hosts == (("a", 1),)


@pytest.mark.parametrize("url", ["redis://a:1/0", "rediss://a:1", "sentinel://a:1,b:2/S"])
def test_one_server_and_sentinels_are_no_cluster(url: str) -> None:
    assert cluster_of(url) is None


@pytest.mark.parametrize(
    "url", ["redis-cluster://", "redis-cluster://a", "redis://a:1,b", "redis-cluster://a:1/1"]
)
def test_a_malformed_url_of_a_cluster_is_refused_with_the_form(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis-cluster://\[USER:PASSWORD@\]HOST:PORT"):
        cluster_of(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:p%40ss@db:5432/x", "postgres://u:***@db:5432/x"),
        ("redis://:s@h/0", "redis://:***@h/0"),
        ("redis://:s;t@h/0", "redis://:***@h/0"),
        ("redis-cluster://u:s@a:1,b:2", "redis-cluster://u:***@a:1,b:2"),
        ("amqp://u:s@a:1//;amqp://u:s@b:2//", "amqp://u:***@a:1//;amqp://u:***@b:2//"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("sentinel://u:s@a:1,b:2/State?sentinel_password=t", "sentinel://u:***@a:1,b:2/State"),
    ],
)
def test_passwords_are_masked(url: str, shown: str) -> None:
    assert mask(url) == shown

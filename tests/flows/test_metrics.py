"""A worker audits timelines. Its results are for the operators and not for the public."""

import time
from collections.abc import Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.valkey import cache_valkey
from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from timeline.tasks import audit_timelines


def test_a_worker_audits_and_each_instance_shows_what_it_found(
    stack: Stack, signed_up: Callable[[str], Person]
) -> None:
    cache_valkey().flushall()  # the audit samples all keys
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    assert follower.home_ids() == []
    post = author.post("Watched.", jpeg_with_gps())
    wait_until(lambda: follower.home_ids() == [post["id"]])
    assert author.home_ids() == [post["id"]]
    start = time.time()
    audit_timelines.delay()
    read_api, write_api = (stack.status(f"{role}-api-1")[0].url for role in ("read", "write"))
    stamp = "socialfeed_timeline_audit_timestamp_seconds"
    wait_until(lambda: scrape(read_api).get(stamp, 0) >= start)
    gauges = scrape(read_api)
    assert gauges["socialfeed_timelines_audited"] == 2
    assert gauges["socialfeed_timelines_drifted"] == 0
    assert gauges["socialfeed_timeline_drift_ratio"] == 0
    also = scrape(write_api)
    # The counters may have been compared again in between.
    audited = {name for name in gauges if "timeline" in name}
    assert {name: also.get(name) for name in audited} == {name: gauges[name] for name in audited}


def scrape(origin: str | None) -> dict[str, float]:
    answer = httpx.get(f"{origin}/metrics", headers={"Host": "10.0.0.7:80"})
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {sample.name: sample.value for family in families for sample in family.samples}


@pytest.mark.parametrize(
    "target",
    [
        *("/metrics", "/metrics?x=1", "//metrics", "/%6detrics", "/./metrics", "/x/../metrics"),
        *("/metrics/", "/METRICS", "/metrics;x", "/metrics%00", "/static/../metrics"),
    ],
)
def test_no_spelling_of_the_address_shows_metrics_to_the_public(stack: Stack, target: str) -> None:
    with httpx.Client() as http:
        request = http.build_request("GET", stack.layout.public_origin)
        request.extensions["target"] = target.encode()
        answer = http.send(request)
    assert answer.status_code in {400, 404}
    assert "socialfeed_timeline" not in answer.text


@pytest.mark.parametrize("header", ["SCRIPT_NAME", "Script-Name", "PATH_INFO", "X-Original-URL"])
def test_no_header_shows_metrics_to_the_public(stack: Stack, header: str) -> None:
    value = "/x" if "cript" in header.lower() else "/metrics"
    answer = httpx.get(f"{stack.layout.public_origin}/x/metrics", headers={header: value})
    assert answer.status_code == 404
    assert "socialfeed_timeline" not in answer.text

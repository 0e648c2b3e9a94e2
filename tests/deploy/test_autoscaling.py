"""The scaling rules name roles and metrics that exist."""

import re
from typing import Any

import pytest
import yaml

from core.metrics.local import PROCESS_REGISTRY
from core.metrics.shared import GAUGES
from devstack.instances import DEFAULTS
from devstack.layout import PROJECT_DIR

RULES: list[dict[str, Any]] = list(
    yaml.safe_load_all((PROJECT_DIR / "deploy" / "autoscaling.yaml").read_text())
)


def test_each_role_but_beat_has_a_rule() -> None:
    assert {rule["spec"]["scaleTargetRef"]["name"] for rule in RULES} == {*DEFAULTS} - {"beat"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["metadata"]["name"]))
def test_its_queries_are_of_metrics_that_are_exported(rule: dict[str, Any]) -> None:
    triggers = [trigger["metadata"] for trigger in rule["spec"]["triggers"]]
    queries = [trigger["query"] for trigger in triggers if "query" in trigger]
    names = {name for query in queries for name in re.findall(r"socialfeed_\w+", query)}
    exported = {family.name for family in PROCESS_REGISTRY.collect()} | {*GAUGES}
    assert names
    assert names <= exported
    assert rule["spec"]["minReplicaCount"] < rule["spec"]["maxReplicaCount"]

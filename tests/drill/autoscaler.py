"""The scaling rule of the workers (deploy/autoscaling.yaml), applied to a stack as KEDA would."""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import httpx
import yaml

from devstack.instances import MOST
from devstack.layout import PROJECT_DIR
from devstack.lifecycle import Stack
from devstack.scaling import scale
from tests.chaos.background import Background
from tests.support.client import http_client

ROLE = "worker"


@dataclass(frozen=True)
class Rule:
    """As many times more instances as `metric` is above `threshold`, asked each `interval` seconds.

    `most`: of this stack, which has ports and names for fewer than a cluster.
    """

    metric: str
    threshold: float
    interval: float
    least: int
    most: int

    def wanted(self, *, now: int, value: float) -> int:
        """How many instances there should be, if there are `now`.

        Never fewer: the rule takes some away only when nothing has waited for minutes.
        """
        return max(now, self.least, min(self.most, math.ceil(now * value / self.threshold)))


def rule_of_workers() -> Rule:
    """The rule in the file."""
    text = (PROJECT_DIR / "deploy" / "autoscaling.yaml").read_text()
    specs: list[dict[str, Any]] = [document["spec"] for document in yaml.safe_load_all(text)]
    (spec,) = (spec for spec in specs if spec["scaleTargetRef"]["name"] == ROLE)
    (trigger,) = spec["triggers"]
    assert trigger["metricType"] == "Value"
    (metric,) = re.findall(r"^max\((\w+)\)$", trigger["metadata"]["query"])
    return Rule(
        metric=metric,
        threshold=float(trigger["metadata"]["threshold"]),
        interval=float(spec["pollingInterval"]),
        least=spec["minReplicaCount"],
        most=min(MOST, spec["maxReplicaCount"]),
    )


def exported(origin: str, metric: str) -> float | None:
    """The value of a metric at an API instance; None: it is not measured, or nobody answers."""
    try:
        with http_client(origin) as http:
            text = http.get("/metrics").text
    except httpx.HTTPError:
        return None
    found = re.search(rf"^{metric} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


class Autoscaler(Background):
    """A thread that scales the workers by the rule. Use as a context.

    `steps`: when there were so many workers (time.monotonic).
    """

    def __init__(self, stack: Stack, rule: Rule, say: Callable[[str], object]) -> None:
        super().__init__()
        self._stack, self._rule, self._say = stack, rule, say
        self._origin = f"http://127.0.0.1:{stack.layout.port('read-api')}"
        self.steps: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        self._note(self._now())
        return super().__enter__()

    def _now(self) -> int:
        return self._stack.instances[ROLE]

    def _note(self, workers: int) -> None:
        self.steps.append((time.monotonic(), workers))

    def _work(self) -> None:
        while not self._stop.wait(self._rule.interval):
            value = exported(self._origin, self._rule.metric)
            if value is None:
                continue  # where nothing is measured, nothing changes
            wanted = self._rule.wanted(now=self._now(), value=value)
            if wanted > self._now():
                self._say(f"  a post has waited for {value:.1f} s: {wanted} workers")
                scale(self._stack, {ROLE: wanted})
                self._note(wanted)

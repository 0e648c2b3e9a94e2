"""Runs Hypothesis' state machines, whose steps take the time of real servers."""

from typing import Any

import hypothesis
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run_machine(
    machine: type[RuleBasedStateMachine], *, steps: int, runs: int, **options: Any
) -> None:
    """Run a state machine so often, with at most so many steps each."""
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            stateful_step_count=steps,
            max_examples=runs,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            **options,
        ),
    )

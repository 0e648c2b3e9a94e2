"""Runs Hypothesis' state machines, whose steps take the time of real servers."""

from typing import Any

import hypothesis
import pytest
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from core.http.problems import Problem


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


def assert_bug_is_noticed(machine: type[RuleBasedStateMachine], *, steps: int, runs: int) -> None:
    """Run a state machine on code with a planted bug, until a step finds it.

    It is found when what is shown differs from the oracle, or when a request is refused that the
    oracle allows: whoever follows without being asked for leaves no request to answer.
    """
    with pytest.raises((AssertionError, Problem)):
        run_machine(
            machine,
            steps=steps,
            runs=runs,
            database=None,
            phases=[hypothesis.Phase.generate],
            report_multiple_bugs=False,
        )

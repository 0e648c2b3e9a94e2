"""Plays scenarios, each in a process of its own."""

from argparse import Namespace
from functools import partial
from typing import Any

from tqdm import tqdm

from tests.chaos import command
from tests.chaos.report import Report
from tests.chaos.scenario import Scenario
from tests.drill.alone import play_alone
from tests.drill.scenarios import SCENARIOS


def run(options: Namespace) -> int:
    """Run what the command line asks for. Returns the exit status."""
    return command.run("drill", SCENARIOS, options, _run_all)


def _run_all(scenarios: list[Scenario], report: Report, bar: "tqdm[Any]") -> None:
    for scenario in scenarios:
        alone = partial(
            play_alone,
            scenario.name,
            setup=scenario.setup.name,
            seed=report.seed,
            scale=report.scale,
            say=bar.write,
        )
        command.play(scenario, alone, report, bar)

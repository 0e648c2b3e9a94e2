"""Runs scenarios. Those with the same setup share a stack."""

import traceback
from argparse import Namespace
from functools import partial
from itertools import groupby
from typing import Any

from tqdm import tqdm

from tests.chaos import command
from tests.chaos.report import Report
from tests.chaos.scenario import Run, Scenario
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.world import running


def run(options: Namespace) -> int:
    """Run what the command line asks for. Returns the exit status."""
    return command.run("chaos", SCENARIOS, options, _run_all)


def _run_all(scenarios: list[Scenario], report: Report, bar: "tqdm[Any]") -> None:
    for setup, group in groupby(scenarios, key=lambda scenario: scenario.setup):
        mine = list(group)
        bar.set_postfix_str(f"starting the {setup.name} stack")
        try:
            with running(setup, bar.write) as world:
                this_run = Run(world, seed=report.seed, scale=report.scale)
                for scenario in mine:
                    if not command.play(scenario, partial(scenario.play, this_run), report, bar):
                        world.faults.calm()
                        world.await_up()
                bar.set_postfix_str(f"stopping the {setup.name} stack")
        except Exception as error:  # go on with the stacks of the other setups
            bar.write(traceback.format_exc())
            for scenario in mine:
                if scenario.name not in report.figures:
                    report.broken.setdefault(scenario.name, command.in_short(error))

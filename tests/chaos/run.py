"""Runs scenarios and reports. Scenarios with the same setup share a stack."""

import sys
import traceback
from argparse import Namespace
from itertools import groupby
from typing import Any

from tqdm import tqdm

from tests.chaos.report import Report
from tests.chaos.scenario import Run, Scenario
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.world import World, running

INTERRUPTED = 130


def chosen(only: str | None) -> list[Scenario]:
    """The named scenarios, in their fixed order. Raises SystemExit on an unknown name."""
    if only is None:
        return list(SCENARIOS.values())
    names = only.split(",")
    if unknown := [name for name in names if name not in SCENARIOS]:
        sys.exit(f"No scenario {', '.join(unknown)}. There are: {', '.join(SCENARIOS)}")
    return [scenario for name, scenario in SCENARIOS.items() if name in names]


def run(options: Namespace) -> int:
    """Run what the command line asks for. Returns the exit status."""
    scenarios = chosen(options.only)
    if options.list:
        for scenario in scenarios:
            print(f"{scenario.name:22} {scenario.summary}")
        return 0
    report = Report(seed=options.seed, scale=options.scale)
    is_interrupted = False
    try:
        with tqdm(total=len(scenarios), desc="chaos", unit="scenario") as bar:
            _run_all(scenarios, report, bar)
    except KeyboardInterrupt:
        is_interrupted = True
    print(report.markdown())
    if options.json:
        report.write_json(options.json)
    if options.write_docs and not is_interrupted:
        report.write_docs()
    if is_interrupted:
        return INTERRUPTED
    return 0 if report.is_right else 1


def _run_all(scenarios: list[Scenario], report: Report, bar: "tqdm[Any]") -> None:
    for setup, group in groupby(scenarios, key=lambda scenario: scenario.setup):
        mine = list(group)
        bar.set_postfix_str(f"starting the {setup.name} stack")
        try:
            with running(setup, bar.write) as world:
                for scenario in mine:
                    _play(scenario, world, report, bar)
                bar.set_postfix_str(f"stopping the {setup.name} stack")
        except Exception as error:  # go on with the stacks of the other setups
            bar.write(traceback.format_exc())
            for scenario in mine:
                if scenario.name not in report.figures:
                    report.broken.setdefault(scenario.name, _in_short(error))


def _play(scenario: Scenario, world: World, report: Report, bar: "tqdm[Any]") -> None:
    bar.set_postfix_str(scenario.name)
    bar.write(f"{scenario.name}: {scenario.summary}")
    try:
        figures = scenario.play(Run(world, seed=report.seed, scale=report.scale))
    except Exception as error:  # go on with the other scenarios
        bar.write(traceback.format_exc())
        report.broken[scenario.name] = _in_short(error)
        world.faults.calm()
        world.await_up()
    else:
        report.figures[scenario.name] = figures
        for figure in figures:
            verdict = "ok" if figure.is_right else "SHORT"
            bar.write(
                f"  {verdict:5} {figure.what}: {figure.measured} of {figure.n:,} "
                f"(wanted {figure.wanted}) {figure.notes}"
            )
    bar.update()


def _in_short(error: Exception) -> str:
    """An error as one short line, for a cell of the table."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]

"""What `make chaos` and `make drill` do with their command line: play scenarios, print a table."""

import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

from tests.chaos.report import Figure, Report
from tests.chaos.scenario import Scenario

INTERRUPTED = 130

RunAll = Callable[[list[Scenario], Report, "tqdm[Any]"], None]


def chosen(scenarios: Mapping[str, Scenario], only: str | None) -> list[Scenario]:
    """The named scenarios, in their fixed order. Raises SystemExit on an unknown name."""
    if only is None:
        return list(scenarios.values())
    names = only.split(",")
    if unknown := [name for name in names if name not in scenarios]:
        sys.exit(f"No scenario {', '.join(unknown)}. There are: {', '.join(scenarios)}")
    return [scenario for name, scenario in scenarios.items() if name in names]


def run(program: str, all_: Mapping[str, Scenario], options: Namespace, run_all: RunAll) -> int:
    """Run what the command line asks for, with `run_all`. Returns the exit status."""
    scenarios = chosen(all_, options.only)
    if options.list:
        for scenario in scenarios:
            print(f"{scenario.name:22} {scenario.summary}")
        return 0
    report = Report(seed=options.seed, scale=options.scale, program=program)
    is_interrupted = False
    try:
        with tqdm(total=len(scenarios), desc=program, unit="scenario") as bar:
            run_all(scenarios, report, bar)
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


def play(
    scenario: Scenario, figures: Callable[[], list[Figure]], report: Report, bar: "tqdm[Any]"
) -> bool:
    """Play one scenario, which returns its figures, and report. Returns False if it has failed."""
    bar.set_postfix_str(scenario.name)
    bar.write(f"{scenario.name}: {scenario.summary}")
    try:
        found = figures()
    except Exception as error:  # go on with the other scenarios
        bar.write(traceback.format_exc())
        report.broken[scenario.name] = in_short(error)
        return False
    report.figures[scenario.name] = found
    for figure in found:
        verdict = "ok" if figure.is_right else "SHORT"
        wanted = f" (wanted {figure.wanted})" if figure.wanted else ""
        bar.write(
            f"  {verdict:5} {figure.what}: {figure.measured} of {figure.n:,}{wanted} {figure.notes}"
        )
    bar.update()
    return True


def in_short(error: Exception) -> str:
    """An error as one short line, for a cell of the table."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]

"""The table of measured figures."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devstack.layout import PROJECT_DIR
from tests.support.measured_docs import measured_commit, replace_measured

PAGE = PROJECT_DIR / "docs" / "reliability.md"


@dataclass(frozen=True)
class Figure:
    """One row. A value is right when it is within `at_most` and `at_least`, if these are given.

    `n` is the number of cases behind the value. A figure with no cases is never right.
    """

    what: str
    value: float
    n: int
    at_most: float | None = None
    at_least: float | None = None
    is_share: bool = False
    # Of a measured quantity, such as seconds.
    unit: str = ""
    notes: str = ""

    @property
    def is_right(self) -> bool:
        low = self.at_least is None or self.value >= self.at_least
        high = self.at_most is None or self.value <= self.at_most
        return self.n > 0 and low and high

    @property
    def wanted(self) -> str:
        sign, bound = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        if bound is None:
            return ""
        return self._shown(bound) if not bound and sign == "≤" else f"{sign} {self._shown(bound)}"

    @property
    def measured(self) -> str:
        return self._shown(self.value)

    def _shown(self, value: float) -> str:
        if self.is_share:
            return f"{100 * value:.4g} %"
        return f"{value:,.1f} {self.unit}" if self.unit else f"{value:,.0f}"


@dataclass
class Report:
    """The figures of a run so far, by scenario, and the scenarios that failed."""

    seed: int
    scale: float
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    program: str = "chaos"
    commit: str = field(default_factory=measured_commit)

    @property
    def is_right(self) -> bool:
        rows = [figure for figures in self.figures.values() for figure in figures]
        return bool(rows) and not self.broken and all(figure.is_right for figure in rows)

    def markdown(self) -> str:
        """The table, with seed, scale, commit and cores."""
        lines = [
            "| scenario | what | wanted | measured | N | notes |",
            "|---|---|---|---|---|---|",
        ]
        for scenario, figures in self.figures.items():
            for figure in figures:
                measured = figure.measured if figure.is_right else f"**{figure.measured}**"
                cells = [scenario, figure.what, figure.wanted, measured, f"{figure.n:,}"]
                lines.append(f"| {' | '.join([*cells, figure.notes])} |")
        lines += [f"| {name} | **broken** | | | 0 | {why} |" for name, why in self.broken.items()]
        return "\n".join(
            [
                *lines,
                "",
                f"Seed {self.seed}, scale {self.scale:g}, commit {self.commit}, "
                f"{os.cpu_count()} cores. In bold: what falls short.",
            ]
        )

    def write_docs(self) -> None:
        """Put the table between the program's markers in docs/reliability.md."""
        replace_measured(PAGE, self.markdown(), of=self.program)

    def write_json(self, path: Path) -> None:
        """Write the figures as JSON."""
        rows: Mapping[str, Sequence[object]] = {
            scenario: [asdict(figure) | {"is_right": figure.is_right} for figure in figures]
            for scenario, figures in self.figures.items()
        }
        path.write_text(json.dumps({"figures": rows, "broken": self.broken}, indent=1))

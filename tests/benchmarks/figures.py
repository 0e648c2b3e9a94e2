"""Measured figures, each with its reference and its target, as a table and as JSON."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack.layout import PROJECT_DIR
from tests.support.measured_docs import measured_commit, replace_measured

PAGE = PROJECT_DIR / "docs" / "performance.md"


@dataclass(frozen=True)
class Series:
    """Costs by a growing size, for a chart."""

    title: str
    of: str
    unit: str
    costs: Mapping[int, float]

    def chart(self) -> str:
        """The chart in Mermaid, which GitHub and most Markdown viewers draw."""
        sizes = ", ".join(f'"{size:,}"' for size in self.costs)
        costs = ", ".join(f"{cost:.4g}" for cost in self.costs.values())
        top = f"{1.5 * max(self.costs.values()):.2g}"
        return (
            f'```mermaid\nxychart-beta\n    title "{self.title}"\n'
            f'    x-axis "{self.of}" [{sizes}]\n    y-axis "{self.unit}" 0 --> {top}\n'
            f"    line [{costs}]\n```"
        )


@dataclass(frozen=True)
class Figure:
    """One row. The target applies to the ratio if there is one, else to the value.

    A figure without measurements (`n` is 0) is never right.
    """

    name: str
    value: float
    unit: str
    n: int
    reference: float | None = None
    reference_name: str = ""
    ratio: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    series: Series | None = None
    # The value depends on the machine and has no reference in the same run: it fails no build.
    moves_with_machine: bool = False

    # A target that is missed by more than this factor is a gross regression.
    GROSS = 2.0

    @property
    def judged(self) -> float:
        """The number that the target applies to."""
        return self.value if self.ratio is None else self.ratio

    def is_right(self, slack: float = 1.0) -> bool:
        """Whether the target is met, or missed by at most the factor `slack`."""
        low = self.at_least is None or self.judged >= self.at_least / slack
        high = self.at_most is None or self.judged <= self.at_most * slack
        return self.n > 0 and low and high

    @property
    def target(self) -> str:
        sign, bound = (
            ("at most", self.at_most) if self.at_most is not None else ("at least", self.at_least)
        )
        if bound is None:
            return ""
        unit = "x" if self.ratio is not None else f" {self.unit}"
        return f"{sign} {shown(bound)}{unit}"

    def cells(self) -> list[str]:
        """The cells of a table row: figure, value, reference, ratio, target, verdict, N, note."""
        reference = ""
        if self.reference is not None:
            reference = f"{shown(self.reference)} {self.unit} ({self.reference_name})"
        return [
            self.name,
            f"{shown(self.value)} {self.unit}",
            reference,
            "" if self.ratio is None else f"{shown(self.ratio)}x",
            self.target,
            ("pass" if self.is_right() else "short") if self.target or not self.n else "",
            f"{self.n:,}",
            self.note,
        ]

    def as_json(self) -> dict[str, object]:
        return {
            "figure": self.name,
            "value": self.value,
            "unit": self.unit,
            "reference": self.reference,
            "ratio": self.ratio,
            "target": self.target or None,
            "pass": self.is_right(),
            "n": self.n,
            "note": self.note,
        }


HEADINGS = ["figure", "value", "reference", "ratio", "target", "", "N", "notes"]


def shown(number: float) -> str:
    """A number as text, with three significant digits, or whole from 100 on."""
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """The table for a terminal."""
    rows = [HEADINGS[:-1], *(figure.cells()[:-1] for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(figures: Sequence[Figure]) -> str:
    """The table and the charts for a page."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
    for figure in figures:
        cells = figure.cells()
        cells[5] = f"**{cells[5]}**" if cells[5] == "short" else cells[5]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Commit {measured_commit()}, {os.cpu_count()} cores. In bold: what falls short."]
    lines += [f"\n{figure.series.chart()}" for figure in figures if figure.series]
    return "\n".join(lines)


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([figure.as_json() for figure in figures], indent=1) + "\n")


def write_docs(figures: Sequence[Figure]) -> None:
    """Put the table between the markers in docs/performance.md."""
    replace_measured(PAGE, markdown(figures))

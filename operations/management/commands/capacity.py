"""`manage.py capacity`: what a load needs."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.commands import errors_with_advice, write_json, write_line
from operations.capacity import report
from operations.capacity.assumptions import MIX, Assumptions, numbers, option, users_of
from operations.capacity.coefficients import READS, WRITES, CoefficientsError, load
from operations.capacity.followers import EdgesError, mean_pushed
from operations.capacity.model import needs


class Command(BaseCommand):
    """Asks no server, and changes nothing."""

    help = (
        "Print what a load needs: cores and instances by role, memory, disks, network. It "
        "multiplies the load by the costs that `make bench` measured "
        "(operations/capacity/coefficients.json), and prints everything that it assumes. "
        "docs/capacity.md explains it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = (
            "Example: manage.py capacity --requests-per-month 1e9 --write-share 0.05 "
            "--mix home=0.5 --mix publish=0.1 --followers ego-facebook.txt"
        )
        for one in numbers():
            parser.add_argument(
                option(one.name),
                type=_number(one.metadata["least"], one.metadata["most"], one.metadata["whole"]),
                metavar="N",
                default=None if one.name == "users" else one.default,
                help=f"{one.metadata['source']} ({one.default:g})",
            )
        parser.add_argument(
            "--mix",
            type=_share,
            action="append",
            default=[],
            metavar="KIND=SHARE",
            help="The share of a kind of read among reads, or of write among writes; repeatable. "
            f"All shares are scaled to add up to 1. Kinds: {', '.join(MIX)}.",
        )
        parser.add_argument(
            "--followers",
            type=Path,
            metavar="FILE",
            help="Take --mean-followers from a graph: a file with one edge `A B` a line, each pair "
            "once; A and B follow each other.",
        )
        output = parser.add_mutually_exclusive_group()
        output.add_argument("--json", action="store_true", help="Print one JSON document.")
        output.add_argument(
            "--markdown", action="store_true", help="Print the table and a chart for a page."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        assumptions = _assumptions(options)
        try:
            coefficients = load()
        except CoefficientsError as error:
            raise CommandError(str(error)) from error
        found = needs(assumptions, coefficients)
        if options["json"]:
            write_json(self.stdout, report.document(found, assumptions, coefficients))
            return
        text = report.table(found, assumptions, coefficients)
        if options["markdown"]:
            text = f"```text\n{text}\n```\n\n{report.chart(found)}"
        write_line(self.stdout, text)


@errors_with_advice()
def _assumptions(options: Mapping[str, Any]) -> Assumptions:
    """The assumptions that the options make. Raises CommandError."""
    values = {one.name: options[one.name] for one in numbers()}
    if values["users"] is None:
        values["users"] = users_of(values["requests_per_month"])
    mix = MIX | dict(options["mix"])
    for of, kinds in (("reads", READS), ("writes", WRITES)):
        if not any(mix[kind] for kind in kinds):
            raise CommandError(f"--mix leaves no {of}: give one of {', '.join(kinds)} a share.")
    path: Path | None = options["followers"]
    if path is None:
        return Assumptions(**values, mix=mix)
    try:
        with path.open() as lines:
            values["mean_followers"] = mean_pushed(lines, push_limit=settings.FANOUT_PUSH_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"Cannot read {path}: {error}") from error
    except EdgesError as error:
        raise CommandError(f"{path} is no graph: {error}.") from error
    return Assumptions(**values, mix=mix, graph=path.name)


def _number(least: float, most: float, whole: bool) -> Callable[[str], float]:
    """A type for argparse: a number in these bounds."""

    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= most or not isfinite(value):
            raise ArgumentTypeError(f"must be {least:g} to {most:g}, not {text}")
        if whole and value != int(value):
            raise ArgumentTypeError(f"must be a whole number, not {text}")
        return value

    return number


def _share(text: str) -> tuple[str, float]:
    """A type for argparse: a kind and its share."""
    kind, _, share = text.partition("=")
    if kind not in MIX:
        raise ArgumentTypeError(f"there is no kind {kind!r}: {', '.join(MIX)}")
    try:
        return kind, _number(0.0, 1e6, whole=False)(share)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} has no share: {kind}=0.1, for example") from error

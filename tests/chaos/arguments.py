"""The options that `make chaos` and `make drill` share, and the settings of their stacks.

Imports nothing that needs Django's settings.
"""

import argparse
from pathlib import Path

SETTINGS = {
    "LOG_LEVEL": "ERROR",
    "ACCESS_TOKEN_SECONDS": "86400",
    # The load comes from one address and from few people.
    "RATE_LIMIT_IP": "",
    "RATE_LIMIT_READ": "",
    "RATE_LIMIT_WRITE": "",
}


def arguments(prog: str, description: str) -> argparse.ArgumentParser:
    """The options that these programs share."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog="Exit status: 0 all figures are right, 1 some figure falls short, 130 interrupted. "
        "Ctrl-C takes the stack down and prints the figures so far.",
    )
    parser.add_argument("--list", action="store_true", help="List the scenarios, and run none.")
    parser.add_argument(
        "--only", metavar="NAME[,NAME]", help="Run these scenarios (default: all of them)."
    )
    parser.add_argument("--seed", type=int, default=1, help="Seed of schedule and load (1).")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="Share of the full numbers in docs/reliability.md (1): 0.1 is a tenth.",
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="Put the table into docs/reliability.md."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="Also write the figures to FILE.")
    return parser

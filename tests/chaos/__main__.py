"""`python -m tests.chaos`: run the scenarios, print the table.

Modules that need settings are imported only after the environment of the suite's stacks is set.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from tests.support.environment import own_environment

SETTINGS = {
    "LOG_LEVEL": "ERROR",
    "ACCESS_TOKEN_SECONDS": "86400",
    # The load comes from one address and from few people.
    "RATE_LIMIT_IP": "",
    "RATE_LIMIT_READ": "",
    "RATE_LIMIT_WRITE": "",
    # Another process soon takes over the deliveries of a killed one, ...
    "OUTBOX_LEASE_SECONDS": "4",
    "OUTBOX_SWEEP_SECONDS": "2",
    # ... and a delivery has several steps, between which it can be killed.
    "FANOUT_BATCH_SIZE": "2",
}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Break a stack while people use it, and compare the answers with the data.",
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


def main() -> int:
    options = arguments().parse_args()
    with own_environment("chaos", SETTINGS):
        status: int = import_module("tests.chaos.run").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())

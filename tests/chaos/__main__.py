"""`python -m tests.chaos`: run the scenarios, print the table.

Nothing that needs settings is imported before the environment of the suite's own stacks is there.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from tests.support.environment import own_environment

SETTINGS = {
    "LOG_LEVEL": "ERROR",
    "ACCESS_TOKEN_SECONDS": "86400",
    # All of the load comes from one address, and few people do all of it.
    "RATE_LIMIT_IP": "",
    "RATE_LIMIT_READ": "",
    "RATE_LIMIT_WRITE": "",
    # What a killed process had in hand is taken over soon, ...
    "OUTBOX_LEASE_SECONDS": "4",
    "OUTBOX_SWEEP_SECONDS": "2",
    # ... and a delivery has several steps to be killed between.
    "FANOUT_BATCH_SIZE": "2",
}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Break a stack of its own while people use it, and check what they were told.",
        epilog="Exit status: 0 all is as it should be, 1 something falls short, 130 interrupted. "
        "Ctrl-C takes the stack down and prints what there is.",
    )
    parser.add_argument(
        "--list", action="store_true", help="Say what the scenarios are, and do nothing."
    )
    parser.add_argument(
        "--only", metavar="NAME[,NAME]", help="Run these scenarios (default: all of them)."
    )
    parser.add_argument("--seed", type=int, default=1, help="Of the schedule and the load (1).")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="Of the numbers that docs/reliability.md asks for (1): 0.1 is a tenth.",
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="Put the table into docs/reliability.md."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures there too.")
    return parser


def main() -> int:
    options = arguments().parse_args()
    with own_environment("chaos", SETTINGS):
        status: int = import_module("tests.chaos.run").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())

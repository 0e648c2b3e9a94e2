"""`python -m tests.benchmarks`: measure, print the table, write var/bench.json.

Modules that need settings are imported only after the environment of the benchmark's stack is set.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from devstack.layout import PROJECT_DIR
from tests.support.environment import own_environment

SETTINGS = {
    "LOG_LEVEL": "ERROR",
    "ACCESS_TOKEN_SECONDS": "86400",
    # A few people at one address send all requests. The limits are high, but still counted.
    "RATE_LIMIT_IP": "100000000/minute",
    "RATE_LIMIT_READ": "100000000/minute",
    "RATE_LIMIT_WRITE": "100000000/minute",
    "RATE_LIMIT_SIGNUP": "100000000/minute",
}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure speed and size, each against a reference in the same run, on a stack "
        "of its own.",
        epilog="Exit status: 0 measured (with --quick: nothing misses its target twofold), 1 not "
        "so, 130 interrupted. Ctrl-C takes the stack down. Example: "
        'make bench ARGS="--only reads,writes"',
    )
    parser.add_argument("--quick", action="store_true", help="Measure less, in a minute: for CI.")
    parser.add_argument(
        "--only", metavar="NAME[,NAME]", help="Measure these parts (default: all of them)."
    )
    parser.add_argument("--list", action="store_true", help="List the parts.")
    parser.add_argument(
        "--write-docs", action="store_true", help="Put the result into docs/performance.md."
    )
    parser.add_argument(
        *("--json", "-o"),
        type=Path,
        metavar="FILE",
        default=PROJECT_DIR / "var" / "bench.json",
        help="Where the figures go (var/bench.json).",
    )
    return parser


def main() -> int:
    options = arguments().parse_args()
    with own_environment("benchmark", SETTINGS) as folder:
        status: int = import_module("tests.benchmarks.run").run(options, folder)
    return status


if __name__ == "__main__":
    sys.exit(main())

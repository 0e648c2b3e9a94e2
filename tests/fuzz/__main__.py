"""`python -m tests.fuzz`: send random requests from the schema, print what breaks a rule.

Modules that need settings are imported only after the environment of the fuzzer's stack is set.
"""

import argparse
import sys
from importlib import import_module

from tests.support.environment import own_environment

# One address and few people send all requests. The limits are high, but still counted.
_LIMITS = (
    *("IP", "READ", "WRITE", "UPLOAD", "LOGIN", "LOGIN_FAILED"),
    *("LOGIN_DEVICE", "LOGIN_NAME", "SIGNUP", "RESET", "REFRESH"),
)
SETTINGS = {
    "LOG_LEVEL": "ERROR",
    "ACCESS_TOKEN_SECONDS": "86400",
    **{f"RATE_LIMIT_{name}": "100000000/minute" for name in _LIMITS},
}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Send random requests, right and wrong, from the API's schema to a stack of "
        "its own, alone and in chains, as two people. Check each answer.",
        epilog="Exit status: 0 each answer is as it must be, 1 some answer is not, 130 "
        "interrupted. Ctrl-C takes the stack down and prints what was found so far. Example: "
        'make fuzz ARGS="--requests 2000 --only /posts"',
    )
    parser.add_argument(
        "--requests", type=int, default=20_000, metavar="N", help="How many to send (20000)."
    )
    parser.add_argument("--seed", type=int, default=1, help="Seed of the requests (1).")
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="Only to addresses that contain this text (default: all).",
    )
    return parser


def main() -> int:
    options = arguments().parse_args()
    with own_environment("fuzz", SETTINGS):
        status: int = import_module("tests.fuzz.run").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())

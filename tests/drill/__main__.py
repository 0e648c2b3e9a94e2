"""`python -m tests.drill`: play the scenarios, print the table."""

import sys
from importlib import import_module

from tests.chaos.arguments import arguments
from tests.drill.alone import SETTINGS
from tests.support.environment import own_environment

DESCRIPTION = "Lose parts of a stack for good while people use it, and compare with the promises."


def main() -> int:
    options = arguments("python -m tests.drill", DESCRIPTION).parse_args()
    with own_environment("drill", SETTINGS):
        status: int = import_module("tests.drill.run").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())

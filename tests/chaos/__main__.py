"""`python -m tests.chaos`: run the scenarios, print the table.

Modules that need settings are imported only after the environment of the suite's stacks is set.
"""

import sys
from importlib import import_module

from tests.chaos.arguments import SETTINGS, arguments
from tests.support.environment import own_environment

IMPATIENT = {
    # Another process soon takes over the deliveries of a killed one, ...
    "OUTBOX_LEASE_SECONDS": "4",
    "OUTBOX_SWEEP_SECONDS": "2",
    # ... and a delivery has several steps, between which it can be killed.
    "FANOUT_BATCH_SIZE": "2",
}
DESCRIPTION = "Break a stack while people use it, and compare the answers with the data."


def main() -> int:
    options = arguments("python -m tests.chaos", DESCRIPTION).parse_args()
    with own_environment("chaos", {**SETTINGS, **IMPATIENT}):
        status: int = import_module("tests.chaos.run").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())

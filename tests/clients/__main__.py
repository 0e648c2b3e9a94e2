"""`python -m tests.clients`: make clients from the schema, and use a stack with them.

Modules that need settings are imported only after the environment of the stack is set.
"""

import argparse
import sys
from importlib import import_module

from tests.support.environment import own_environment

SETTINGS = {"LOG_LEVEL": "ERROR"}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.clients",
        description="Make clients from the OpenAPI schema with openapi-python-client, "
        "openapi-typescript (openapi-fetch) and @hey-api/openapi-ts. Check with mypy --strict and "
        "tsc --strict that the five use cases need no cast, and do them at a stack of its own.",
        epilog="Exit status: 0 all do, 1 some do not, 130 interrupted. TypeScript needs node 20.19 "
        "or newer, npm, and its registry.",
    )
    parser.add_argument(
        "--only", choices=["python", "typescript"], help="Only of this language (default: both)."
    )
    return parser


def main() -> int:
    options = arguments().parse_args()
    with own_environment("clients", SETTINGS):
        status: int = import_module("tests.clients.run").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())

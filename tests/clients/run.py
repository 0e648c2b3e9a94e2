"""Starts a stack, and makes and runs all clients at it."""

import os
import subprocess
import tempfile
from argparse import Namespace
from pathlib import Path

from devstack.lifecycle import Stack
from tests.clients.making import check_python, check_typescript

INTERRUPTED = 130
_CHECKS = {"python": check_python, "typescript": check_typescript}


def run(options: Namespace) -> int:
    """Do what the command line asks for. Returns the exit status."""
    stack, failed = Stack(os.environ), []
    try:
        stack.up()
        for language in [options.only] if options.only else [*_CHECKS]:
            print(f"{language}:", flush=True)
            with tempfile.TemporaryDirectory(prefix="socialfeed-client-") as folder:
                try:
                    _CHECKS[language](Path(folder), origin=stack.layout.public_origin)
                except (subprocess.CalledProcessError, FileNotFoundError) as error:
                    print(error)
                    failed.append(language)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        stack.remove()
    print(f"failed: {', '.join(failed)}" if failed else "all clients do the five use cases")
    return 1 if failed else 0

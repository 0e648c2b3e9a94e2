"""Starts a stack, fuzzes it and reports."""

import os
from argparse import Namespace

from tqdm import tqdm

from devstack.lifecycle import Stack
from tests.fuzz.findings import Findings
from tests.fuzz.fuzzer import fuzz

INTERRUPTED = 130


def run(options: Namespace) -> int:
    """Do what the command line asks for. Returns the exit status."""
    findings, stack, is_interrupted = Findings(), Stack(os.environ), False
    with tqdm(total=options.requests, desc="fuzz", unit="request", disable=None) as bar:
        bar.set_postfix_str("starting a stack")
        try:
            stack.up()
            bar.set_postfix_str("")
            fuzz(
                stack.layout.public_origin,
                count=options.requests,
                seed=options.seed,
                findings=findings,
                only=options.only,
                on_request=bar.update,
            )
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            bar.set_postfix_str("stopping the stack")
            stack.remove()
    print(findings.report())
    if is_interrupted:
        return INTERRUPTED
    return 1 if findings.failures else 0

"""A client that is made from the schema does the five use cases, and needs no cast."""

from pathlib import Path

import pytest

from devstack.lifecycle import Stack
from tests.clients import making
from tests.clients.making import check_python
from tests.support.client import reset_login_limits


def test_a_generated_client_does_the_five_use_cases(stack: Stack, tmp_path: Path) -> None:
    reset_login_limits()
    check_python(tmp_path, origin=stack.layout.public_origin)


@pytest.mark.parametrize("file", ["use_cases.py", "typescript/fetch.ts", "typescript/heyapi.ts"])
def test_no_program_of_use_cases_has_a_cast(file: str) -> None:
    program = (Path(making.__file__).parent / file).read_text()
    for cast in ("cast(", "Any", "type: ignore", " as any", " as unknown", "ts-ignore", "!."):
        assert cast not in program

"""`manage.py timeline explain VIEWER POST_ID`: why a post is, or is not, in a home timeline."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from core.http.problems import NotFound
from operations.explain import explain_home
from users.selectors import user_id_by_username


def add_arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("viewer", help="The username of whoever's home timeline it is.")
    parser.add_argument("post_id", help="The id of the post, existing or not.")


def handle(options: Mapping[str, Any], stdout: OutputWrapper) -> None:
    """Print a line for each gate, and the verdict last. Changes nothing."""
    try:
        post_id = int(options["post_id"])
    except ValueError as error:
        raise CommandError(f"A post's id is a number, not {options['post_id']!r}.") from error
    try:
        viewer_id = user_id_by_username(username=options["viewer"], active_only=False)
    except NotFound as error:
        raise CommandError(error.detail) from error
    explanation = explain_home(viewer_id=viewer_id, post_id=post_id)
    names = max(len(gate.name) for gate in explanation.gates)
    states = max(len(gate.state) for gate in explanation.gates)
    for gate in explanation.gates:
        stdout.write(f"{gate.name:<{names}}  {gate.state:<{states}}  {gate.facts}")
    stdout.write(f"expected: {_yes(explanation.expected)}; shown: {_yes(explanation.shown)}")
    stdout.write(explanation.verdict)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"

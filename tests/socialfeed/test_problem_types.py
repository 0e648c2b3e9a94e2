"""Every type of a problem that the code can answer is known, and leads to a page."""

import ast
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import resolve, reverse
from drf_spectacular.generators import SchemaGenerator
from rest_framework import exceptions

from core.http import problems
from core.http.idempotency import KeyReused
from core.http.idempotency_keys import KeyInFlight
from core.http.problems import Problem, problem_document
from devstack.layout import PROJECT_DIR
from socialfeed.problem_types import ADDRESS, PROBLEM_TYPES
from tests.test_architecture import packages

# DRF's that no view of ours raises: the ancestor of all; each view has one format of answers; and
# one that `document_of` gives a code of its own.
UNUSED = {exceptions.APIException, exceptions.NotAcceptable, exceptions.ValidationError}


def kinds(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for child in cls.__subclasses__():
        yield from kinds(child)


def codes_in(path: Path, names: set[str]) -> Iterator[str]:
    """The texts given as `code` to a problem, and as an attribute of one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def answered() -> Iterator[tuple[str, int]]:
    """The type and status of every problem."""
    classes = {cls for cls in kinds(Problem) if not cls.__module__.startswith("tests.")}
    assert classes >= {KeyInFlight, KeyReused}
    for cls in classes:
        problem: type[Problem] = cls
        yield document_type(problem.status, problem.code), problem.status
    names = {cls.__name__ for cls in classes}
    for package in packages() - {"devstack"}:
        for path in (PROJECT_DIR / package).rglob("*.py"):
            for code in codes_in(path, names):
                yield document_type(400, code), 0
    for exception in {*kinds(exceptions.APIException)} - UNUSED:
        if exception.__module__ == exceptions.__name__:
            one: type[exceptions.APIException] = exception
            yield document_type(one.status_code, str(one.default_code)), one.status_code
    yield document_type(400, "validation"), 400
    statuses = {status for _, status, _ in problems._KNOWN}
    for status in statuses | problems._EMPTY_ALLAUTH_DETAILS.keys() | {405, 413, 415, 429, 500}:
        yield document_type(status), status


def document_type(status: int, code: str = "") -> str:
    kind: str = problem_document(status, "x", code=code)["type"]
    return kind.removeprefix(ADDRESS)


def test_every_type_that_the_code_answers_is_known_and_no_other() -> None:
    found = dict(answered())
    assert found.keys() == PROBLEM_TYPES.keys()
    for name, status in found.items():
        assert status in (0, PROBLEM_TYPES[name].status), name


def test_a_type_does_not_depend_on_how_python_names_a_status() -> None:
    assert document_type(413) == "too-large"
    for status in {one.status for one in PROBLEM_TYPES.values()}:
        assert HTTPStatus(status).phrase


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_each_type_leads_to_a_page(name: str) -> None:
    address = reverse("problem", args=[name])
    assert address == f"{ADDRESS}{name}"
    view, _, given = resolve(address)
    page = view(RequestFactory().get(address), **given).render().content.decode()
    known = PROBLEM_TYPES[name]
    assert f"<h1>{name}</h1>" in page
    for text in (known.meaning, known.advice):
        assert text.endswith("."), name
    assert str(known.status) in page


def test_the_list_of_types_has_each() -> None:
    page = render_to_string("problem_types.html", {"types": PROBLEM_TYPES})
    for name in PROBLEM_TYPES:
        assert f'href="{ADDRESS}{name}"' in page


def test_the_types_of_problems_are_named_and_more_may_come() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    kind = schema["components"]["schemas"]["ProblemDocument"]["properties"]["type"]
    assert set(kind["x-extensible-enum"]) == {
        "about:blank",
        *(f"/problems/{name}" for name in PROBLEM_TYPES),
    }
    assert "enum" not in kind

"""The fuzzer's own rules see what is wrong, and its exclusions hide nothing else."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from schemathesis.core.failures import CustomFailure

from tests.fuzz.checks import Makers, answers_errors_as_problems
from tests.fuzz.exclusions import EXCLUSIONS, explained
from tests.fuzz.findings import Findings
from tests.fuzz.people import People, Resident

CONTEXT = cast("Any", None)
PROBLEM = {"type": "/problems/invalid", "title": "X", "status": 400, "detail": "Send another text."}


def an_answer(status: int, body: Any = None, kind: str = "application/problem+json") -> Any:
    return SimpleNamespace(
        status_code=status,
        headers={"content-type": [kind]},
        json=lambda: body,
        request=SimpleNamespace(headers={"Authorization": "Bearer bob"}),
    )


def a_case(operation: str, body: Any = None, **parameters: str) -> Any:
    label = SimpleNamespace(label=operation)
    return SimpleNamespace(operation=label, path_parameters=parameters, body=body)


def test_an_error_is_a_problem_document_that_says_what_is_wrong() -> None:
    case = a_case("GET /api/v1/users/me")
    answers_errors_as_problems(CONTEXT, an_answer(200, kind="text/html"), case)
    answers_errors_as_problems(CONTEXT, an_answer(400, PROBLEM), case)
    for wrong in (
        an_answer(400, PROBLEM, "application/json"),
        an_answer(404, PROBLEM),
        an_answer(400, PROBLEM | {"type": "/problems/nobody-knows"}),
        an_answer(400, PROBLEM | {"detail": "No."}),
    ):
        with pytest.raises(AssertionError):
            answers_errors_as_problems(CONTEXT, wrong, case)


@pytest.fixture
def makers() -> Makers:
    """Alice has made the posts 1 and 2; the sender of all requests is Bob."""
    alice = SimpleNamespace(username="alice")
    ids = {"post_id": ["1"], "doomed_post_id": ["2"]}
    people = SimpleNamespace(
        residents=[Resident(cast("Any", alice), ids)],
        sender=lambda authorization: authorization.removeprefix("Bearer "),
    )
    return Makers(cast("People", people))


@pytest.mark.parametrize("post_id", ["1", "2"])
def test_nobody_may_change_what_another_has_made(makers: Makers, post_id: str) -> None:
    case = a_case("DELETE /api/v1/posts/{post_id}", post_id=post_id)
    makers.keeps_people_apart(CONTEXT, an_answer(404), case)
    with pytest.raises(AssertionError):
        makers.keeps_people_apart(CONTEXT, an_answer(204), case)


def test_the_maker_may_change_it(makers: Makers) -> None:
    made = an_answer(201, {"id": "3", "media": []})
    makers.keeps_people_apart(CONTEXT, made, a_case("POST /api/v1/posts"))
    case = a_case("PATCH /api/v1/posts/{post_id}", post_id="3")
    makers.keeps_people_apart(CONTEXT, an_answer(200), case)


@pytest.mark.parametrize(
    ("operation", "post_id", "hidden"),
    [
        ("PATCH /api/v1/posts/{post_id}", "1", True),
        ("PATCH /api/v1/posts/{post_id}", "3", False),
        ("PATCH /api/v1/posts/{post_id}", "unknown", False),
        ("GET /api/v1/posts/{post_id}", "1", False),
    ],
)
def test_only_what_another_has_made_is_hidden(
    makers: Makers, operation: str, post_id: str, hidden: bool
) -> None:
    made = an_answer(201, {"id": "3", "media": []})
    makers.keeps_people_apart(CONTEXT, made, a_case("POST /api/v1/posts"))
    case = a_case(operation, post_id=post_id)
    assert makers.hidden_from_sender(an_answer(404), case) is hidden


def test_an_upload_goes_with_its_post_or_when_another_avatar_takes_its_place(
    makers: Makers,
) -> None:
    def gone() -> list[str]:
        cases = {id_: a_case("PATCH /api/v1/media/{media_id}", media_id=id_) for id_ in "4567"}
        return [id_ for id_, case in cases.items() if makers.has_gone_with_its_use(case)]

    made = an_answer(201, {"id": "3", "media": [{"id": "4"}, {"id": "5"}]})
    makers.keeps_people_apart(CONTEXT, made, a_case("POST /api/v1/posts"))
    assert gone() == []
    deletion = a_case("DELETE /api/v1/posts/{post_id}", post_id="3")
    makers.keeps_people_apart(CONTEXT, an_answer(404), deletion)
    assert gone() == []
    makers.keeps_people_apart(CONTEXT, an_answer(204), deletion)
    assert gone() == ["4", "5"]
    for avatar in ("6", "6", "7", None):
        assert ("7" in gone()) is False
        change = a_case("PATCH /api/v1/users/me", {"avatar": avatar})
        makers.keeps_people_apart(CONTEXT, an_answer(200), change)
    assert gone() == ["4", "5", "6", "7"]


def test_an_exclusion_hides_only_what_it_describes() -> None:
    empty, other = "http://x/api/v1/users?limit=&search=a", "http://x/api/v1/users?limit=0"
    message = "Invalid component: parameter `limit` in query"
    failure = CustomFailure(
        operation=None,
        title="Schema-violating request accepted",
        message=message,
        exception=AssertionError(),
    )
    assert explained(failure, "GET /api/v1/users", empty, None)
    assert not explained(failure, "GET /api/v1/users", other, None)
    assert all(len(one.why) > 20 for one in EXCLUSIONS)


def test_a_report_shows_each_broken_rule_once_and_counts_all() -> None:
    findings = Findings()
    for _ in range(1200):
        findings.note_answer("GET /a", 200)
    for example in ("first", "second"):
        findings.note_answer("GET /b", 400)
        findings.note_failure("Wrong (400)", "GET /b", example)
    assert findings.report() == (
        "Wrong (400): GET /b (2 times)\nfirst\n\n"
        "1,202 requests to 2 operations, 1,200 succeeded; 2 broke a rule."
    )


@pytest.mark.parametrize(
    ("sent", "is_expected"),
    [("\xa0aaa", True), ("aaa ", True), ("\f\f\f\f", True), ("aaaa", False), ("a aa", False)],
)
def test_a_text_that_is_too_long_is_only_expected_with_space_around_it(
    sent: str, is_expected: bool
) -> None:
    message = "Invalid component: in body - violates `maxLength` at /properties/alt"
    failure: Any = SimpleNamespace(title="Schema-violating request accepted", message=message)
    body = {"alt": sent, "": [0], "caption": " short"}
    assert explained(failure, "POST /api/v1/media", "/api/v1/media", body) is is_expected

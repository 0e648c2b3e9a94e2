"""`manage.py timeline explain`."""

import io

import pytest
from django.core.management import CommandError, call_command

from tests.support.explanations import publish
from users.models import User

pytestmark = pytest.mark.django_db


def explain(user_id: int, post_id: object) -> list[str]:
    output = io.StringIO()
    username = User.objects.get(pk=user_id).username
    call_command("timeline", "explain", username, str(post_id), stdout=output)
    return output.getvalue().splitlines()


def test_gates_are_aligned_a_line_each_and_the_verdict_comes_last(alice: int) -> None:
    post_id, _ = publish(alice)
    *gates, answer, verdict = explain(alice, post_id)
    assert gates[0].startswith("post          passed           Published 20")
    assert gates[4].startswith("push or pull  does not matter  Posts are pushed")
    assert len(gates) == 8
    assert answer == "expected: yes; shown: yes"
    assert verdict == f"@{User.objects.get(pk=alice).username} sees post {post_id}, and should."


def test_a_post_that_is_not_shown_is_explained_without_an_error(alice: int, bob: int) -> None:
    assert explain(alice, publish(bob)[0])[-2] == "expected: no; shown: no"
    assert "never was" in explain(alice, 10**40)[0]


def test_an_unknown_user_is_named() -> None:
    with pytest.raises(CommandError, match="no user nobody_here"):
        call_command("timeline", "explain", "nobody_here", "1")


@pytest.mark.parametrize("post_id", ["word", "", "1.5", "9" * 5000])
def test_a_post_id_that_is_no_number_is_refused(alice: int, post_id: str) -> None:
    with pytest.raises(CommandError, match="is a number"):
        explain(alice, post_id)

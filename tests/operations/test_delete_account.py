"""`manage.py delete_account`."""

import io
import signal
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.core.management import CommandError, call_command

from core.commands import INTERRUPTED
from users.models import AccountDeletion, User
from users.services import finish_deletion, note_removed

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(alice: int) -> User:
    """The account to delete."""
    return User.objects.get(pk=alice)


def deletions(user_id: int) -> Any:
    return AccountDeletion.objects.filter(user_id=user_id)


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("delete_account", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """Answer the command by a text, or by a call; returns what it asked."""

    def will(answer: Any) -> list[str]:
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return cast("str", answer() if callable(answer) else answer)

        monkeypatch.setattr("builtins.input", ask)
        return asked

    return will


@pytest.mark.parametrize("typed", ["y", "YES "])
def test_the_command_asks_and_deactivates_the_account(
    ada: User, answer: Callable[[Any], list[str]], typed: str
) -> None:
    asked = answer(typed)
    output = run(f"@{ada.username.upper()}")
    assert asked == [f"Delete @{ada.username} and all that it owns, for good? [y/N] "]
    assert output == f"@{ada.username} is deactivated, and is being removed.\n"
    assert deletions(ada.pk).get().requested_by == "command"


@pytest.mark.parametrize("typed", ["", "n", "yess"])
def test_any_other_answer_leaves_the_account(
    ada: User, answer: Callable[[Any], list[str]], typed: str
) -> None:
    answer(typed)
    with pytest.raises(CommandError, match="Nothing was done"):
        run(ada.username)
    assert not deletions(ada.pk).exists()


def test_without_a_terminal_it_names_the_option(
    ada: User, answer: Callable[[Any], list[str]]
) -> None:
    def closed() -> str:
        raise EOFError

    answer(closed)
    with pytest.raises(CommandError, match="use --yes"):
        run(ada.username)
    assert not deletions(ada.pk).exists()


def test_ctrl_c_at_the_question_does_nothing(ada: User, answer: Callable[[Any], list[str]]) -> None:
    answer(lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(CommandError, match=r"Interrupted\. Nothing was done") as error:
        run(ada.username)
    assert error.value.returncode == INTERRUPTED
    assert not deletions(ada.pk).exists()


def test_ctrl_c_while_it_waits_leaves_the_deletion_under_way(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(seconds: float) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("operations.management.commands.delete_account.time.sleep", pressed)
    with pytest.raises(CommandError, match="The deletion goes on") as error:
        run(ada.username, "--yes", "--wait")
    assert error.value.returncode == INTERRUPTED
    assert deletions(ada.pk).exists()


def test_it_waits_until_all_is_gone_and_says_what_was(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worker(seconds: float) -> None:
        deletion_id = deletions(ada.pk).get().pk
        if deletions(ada.pk).get().removed:
            finish_deletion(deletion_id=deletion_id)
        else:
            note_removed(deletion_id=deletion_id, kind="posts", count=2)

    monkeypatch.setattr("operations.management.commands.delete_account.time.sleep", worker)
    output = run(ada.username, "--yes", "--wait")
    assert output.splitlines()[-1] == f"@{ada.username} is gone: 2 posts."


def test_an_unknown_account_and_one_of_staff_are_named(
    ada: User, unique: Callable[[str], str]
) -> None:
    nobody = unique("nobody")
    with pytest.raises(CommandError, match=nobody):
        run(nobody, "--yes")
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    with pytest.raises(CommandError, match="staff"):
        run(ada.username, "--yes")


def test_the_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("delete_account", "--help")
    assert "manage.py delete_account ada --wait" in capsys.readouterr().out

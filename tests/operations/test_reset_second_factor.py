"""`manage.py reset_second_factor`."""

import io
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command

from users.models import User


def with_second_factor(user_id: int) -> User:
    """An account that has an app and recovery codes."""
    for type_ in ("totp", "recovery_codes"):
        Authenticator.objects.create(user_id=user_id, type=type_, data={})
    return User.objects.get(pk=user_id)


def run(username: str) -> str:
    output = io.StringIO()
    call_command("reset_second_factor", username, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_the_app_and_the_codes_are_removed_and_a_second_time_does_no_harm(
    alice: int, bob: int
) -> None:
    ada = with_second_factor(alice)
    with_second_factor(bob)
    assert "had a second factor: it is removed." in run(f"@{ada.username.upper()}")
    found = Authenticator.objects.filter(user_id__in=[alice, bob])
    assert {*found.values_list("user_id", flat=True)} == {bob}
    assert "had no second factor." in run(ada.username)


@pytest.mark.django_db
def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(CommandError, match="There is no user nobody_at_all"):
        run("nobody_at_all")


@pytest.mark.usefixtures("committed", "closed_state")
def test_while_state_is_down_the_command_says_that_sessions_go_on(
    person: Callable[[str], int],
) -> None:
    ada = with_second_factor(person("ada"))
    with pytest.raises(CommandError, match="Run this again once STATE is back"):
        run(ada.username)
    assert not Authenticator.objects.filter(user=ada).exists()

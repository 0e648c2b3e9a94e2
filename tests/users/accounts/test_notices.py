"""Notices to the owners of accounts, while the mail server does not answer."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from django.test import Client

from devstack.layout import HOST
from tests.support.limits import new_address
from tests.users.conftest import PASSWORD, open_session
from users.accounts.notices import send_staff_notice
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def frozen_mail_server(settings: Any) -> Iterator[None]:
    """A mail server that accepts connections and says nothing. The wait is shortened."""
    assert 0 < settings.EMAIL_TIMEOUT <= 5
    with socket.create_server((HOST, 0)) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_TIMEOUT = 0.5
        yield


def change_password(user: User) -> None:
    token = create_access_token(user, open_session(user.pk), {})
    answer = Client(REMOTE_ADDR=new_address()).post(
        "/_allauth/app/v1/account/password/change",
        {"current_password": PASSWORD, "new_password": "high-tide-at-dusk"},
        "application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200
    user.refresh_from_db()
    assert user.check_password("high-tide-at-dusk")


def tell_of_staff(user: User) -> None:
    send_staff_notice(user=user, done="removed the second factor of your account")


@pytest.mark.parametrize("tell", [change_password, tell_of_staff])
def test_a_mail_server_that_never_answers_holds_nobody_for_long(
    ada: User,
    frozen_mail_server: None,
    tell: Callable[[User], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    start = time.monotonic()
    tell(ada)
    assert time.monotonic() - start < 4
    (line,) = [record for record in caplog.records if record.name.startswith("users")]
    assert "could not be sent" in line.getMessage()

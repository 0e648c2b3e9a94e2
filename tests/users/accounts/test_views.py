"""Sign-up while verification is mandatory, and one e-mail address for one account."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client

from tests.users.conftest import PASSWORD
from users.models import User
from users.selectors import shared_emails
from users.services import ensure_account, leave_email_to, release_unverified

pytestmark = pytest.mark.django_db
SIGN_UP = "/_allauth/app/v1/auth/signup"


@pytest.fixture
def mandatory(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


def sign_up(address: str, username: str, email: str) -> Any:
    body = {"username": username, "email": email, "password": PASSWORD}
    return Client(REMOTE_ADDR=address).post(SIGN_UP, body, content_type="application/json")


def test_a_known_address_gets_the_answer_of_a_new_one_after_the_same_work(
    ada: User,
    unique: Callable[[str], str],
    mandatory: None,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[str] = []
    encode = Argon2PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return str(encode(self, password, salt))

    monkeypatch.setattr(Argon2PasswordHasher, "encode", counted)

    def outcome(email: str) -> tuple[Any, list[str]]:
        hashed.clear()
        answer = sign_up(address, unique("eve"), email)
        body = answer.json()
        assert body["meta"].pop("session_token")
        return (answer.status_code, sorted(answer.headers), body), list(hashed)

    new, known = outcome(f"{unique('new')}@example.org"), outcome(ada.email.upper())
    assert new == known
    assert new[0][0] == 401
    assert new[1] == [PASSWORD]
    assert [message.to for message in mail.outbox][-1] == [ada.email]
    assert "already" in mail.outbox[-1].body


def test_with_optional_verification_the_address_is_named(
    ada: User, unique: Callable[[str], str], address: str
) -> None:
    answer = sign_up(address, unique("eve"), ada.email.upper())
    assert answer.status_code == 400
    assert [error["code"] for error in answer.json()["errors"]] == ["email_taken"]


def test_a_sign_up_stores_account_and_address_or_nothing(
    unique: Callable[[str], str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("ada")

    def dies(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("allauth.account.forms.setup_user_email", dies)
    with pytest.raises(KeyboardInterrupt):
        sign_up(address, name, f"{name}@example.org")
    assert not User.objects.filter(username=name).exists()


def test_the_database_refuses_a_second_account_with_an_address_in_any_case(
    ada: User, alice: int
) -> None:
    for email in (ada.email, ada.email.upper()):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=alice).update(email=email)
    assert User.objects.filter(pk__in=[ada.pk, alice]).update(email="") == 2, "none is no address"


def test_who_verifies_an_address_takes_it_from_those_who_only_claimed_it(
    ada: User, alice: int, bob: int
) -> None:
    squatter, other = User.objects.get(pk=alice), User.objects.get(pk=bob)
    wanted = "wanted@example.org"
    squatter.emailaddress_set.update(email=wanted, verified=False)  # type: ignore[attr-defined]
    User.objects.filter(pk=alice).update(email=wanted.upper())
    EmailAddress.objects.create(user=other, email=wanted, verified=False)
    mine = EmailAddress.objects.create(user=ada, email=wanted, verified=False)
    assert release_unverified(email=wanted, owner_id=ada.pk) == [alice]
    assert list(EmailAddress.objects.filter(email=wanted)) == [mine]
    assert User.objects.get(pk=alice).email == ""
    mine.verified = True
    mine.save()
    assert release_unverified(email=wanted, owner_id=alice) == []
    assert EmailAddress.objects.filter(email=wanted, user=ada).exists(), "verified: it stays"


def test_shared_addresses_are_found_and_left_to_who_has_verified_them(
    unique: Callable[[str], str], unconstrained: None
) -> None:
    first, second, third = (
        ensure_account(username=unique("x"), email=f"{unique('x')}@example.org")[0]
        for _ in range(3)
    )
    shared = f"{unique('shared')}@example.org"
    User.objects.filter(pk__in=[first, third]).update(email=shared)
    User.objects.filter(pk=second).update(email=shared.upper())
    EmailAddress.objects.filter(user_id__in=[first, third]).update(verified=False, email=shared)
    EmailAddress.objects.filter(user_id=second).update(email=shared)
    found = [item for item in shared_emails() if item.email == shared]
    assert [item.user_ids for item in found] == [[second, first, third]]
    leave_email_to(email=shared, owner_id=second)
    assert not [item for item in shared_emails() if item.email == shared]
    assert User.objects.filter(email__iexact=shared).get().pk == second
    assert EmailAddress.objects.get(email=shared).user_id == second

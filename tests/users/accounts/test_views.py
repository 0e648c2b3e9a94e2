"""Sign-up while verification is mandatory, and one e-mail address for one account."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.cache import SessionStore
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from tests.support.limits import new_address
from tests.users.conftest import PASSWORD
from users.models import User
from users.selectors import shared_emails
from users.services import ensure_account, leave_email_to, verify_email
from users.sessions import list_sessions

pytestmark = pytest.mark.django_db
AUTH = "/_allauth/app/v1"
SIGN_UP, LOG_IN = f"{AUTH}/auth/signup", f"{AUTH}/auth/login"


@pytest.fixture
def mandatory(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


def sign_up(address: str, username: str, email: str) -> Any:
    body = {"username": username, "email": email, "password": PASSWORD}
    return Client(REMOTE_ADDR=address).post(SIGN_UP, body, content_type="application/json")


@pytest.mark.parametrize("said", ["suspended", "The password has been changed"])
def test_what_happens_while_a_session_is_stored_leaves_no_session(
    ada: User, address: str, said: str
) -> None:
    """Its own end of the sessions came before this one was stored."""
    keys: list[str] = []

    def change_account(*, request: Any, user: User, **kwargs: Any) -> None:
        keys.append(request.session.session_key)
        assert [row.session_key for row in list_sessions(user_id=user.pk)] == keys
        if said == "suspended":
            User.objects.filter(pk=user.pk).update(is_active=False)
        else:
            User.objects.filter(pk=user.pk).update(password=make_password("high-tide-at-dusk"))

    user_logged_in.connect(change_account)
    try:
        body = {"username": ada.username, "password": PASSWORD}
        answer = Client(REMOTE_ADDR=address).post(LOG_IN, body, "application/json")
    finally:
        user_logged_in.disconnect(change_account)
    assert answer.status_code == 403
    assert said in answer.json()["detail"]
    assert list_sessions(user_id=ada.pk) == []
    assert [SessionStore().exists(key) for key in keys] == [False]


def outcome(answer: Any) -> tuple[int, list[str], Any]:
    """All that an answer says, but for the random token of its session."""
    body = answer.json()
    body.get("meta", {}).pop("session_token", None)
    return answer.status_code, sorted(answer.headers), body


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

    def told(email: str) -> tuple[Any, list[str]]:
        hashed.clear()
        return outcome(sign_up(address, unique("eve"), email)), list(hashed)

    new, known = told(f"{unique('new')}@example.org"), told(ada.email.upper())
    assert new == known
    assert new[0][0] == 401
    assert new[1] == [PASSWORD]
    assert [message.to for message in mail.outbox][-1] == [ada.email]
    assert "already" in mail.outbox[-1].body
    assert "/verify-email/" not in mail.outbox[-1].body


def test_nothing_that_follows_a_sign_up_tells_whether_its_address_was_known(
    ada: User, alice: int, unique: Callable[[str], str], mandatory: None, api: Callable[[int], Any]
) -> None:
    """The same once more; another name; the log-in by name or address; the profile."""
    ada.set_password("a-tide-of-her-own")
    ada.save()

    def told(email: str) -> list[Any]:
        name, other, address = unique("eve"), unique("eve"), new_address()
        client = Client(REMOTE_ADDR=address)
        log_ins = [{"username": name}, {"username": other}, {"email": email.upper()}]
        answers = [
            *(sign_up(address, name, email) for _ in range(3)),
            *(sign_up(address, other, email) for _ in range(2)),
            *(
                client.post(LOG_IN, who | {"password": PASSWORD + "?"}, "application/json")
                for who in log_ins
            ),
            *(
                client.post(LOG_IN, who | {"password": PASSWORD}, "application/json")
                for who in log_ins
            ),
        ]
        profile = api(alice).get(f"/api/v1/users/{name}")
        return [*map(outcome, answers), profile.status_code, sorted(profile.json())]

    new, known = told(f"{unique('new')}@example.org"), told(ada.email)
    assert new == known
    statuses = [answer[0] for answer in new[:-2]]
    assert statuses == [401, 400, 400, 401, 400, 400, 400, 400, 401, 401, 400]
    assert new[1][2]["errors"][0]["code"] == "username_taken"
    assert new[-2] == 200


def test_of_an_account_with_a_known_address_nothing_is_ever_verified(
    ada: User, unique: Callable[[str], str], mandatory: None, address: str
) -> None:
    name = unique("eve")
    sign_up(address, name, ada.email)
    eve = User.objects.get(username=name)
    claim = EmailAddress.objects.get(user=eve)
    key = EmailConfirmationHMAC(claim).key
    answer = Client().post(f"{AUTH}/auth/email/verify", {"key": key}, "application/json")
    assert [error["code"] for error in answer.json()["errors"]] == ["email_taken"]
    assert not verify_email(address=claim)
    claim.refresh_from_db()
    assert (claim.verified, eve.email) == (False, "")


def sign_up_long_ago(username: str, email: str) -> User:
    """Somebody who has never verified the address: the key in the mail has expired."""
    sign_up(new_address(), username, email)
    users = User.objects.filter(username=username)
    users.update(date_joined=timezone.now() - timedelta(days=4))
    return users.get()


@pytest.mark.parametrize(
    "case", [*product(["mandatory", "optional"], ["added", "signed up", "added to many"])]
)
def test_a_claim_that_is_not_verified_blocks_nobody(
    alice: int, bob: int, unique: Callable[[str], str], settings: Any, case: tuple[str, str]
) -> None:
    """Mallory claims Ada's address; Ada signs up with it, verifies it and logs in."""
    settings.ACCOUNT_EMAIL_VERIFICATION, claim = case
    name = unique("ada")
    email = f"{name}@example.org"
    if claim == "signed up":
        mallory = sign_up_long_ago(unique("mallory"), email)
    else:
        mallory = User.objects.get(pk=alice)
        claimers = [alice, bob] if claim == "added to many" else [alice]
        for user_id in claimers:
            EmailAddress.objects.create(user_id=user_id, email=email)
    assert sign_up(new_address(), name, email.upper()).status_code in {200, 401}
    ada = User.objects.get(username=name)
    mine = EmailAddress.objects.get(user=ada)
    assert (mine.email, mine.primary, mine.verified) == (email, True, False)
    assert EmailAddress.objects.filter(user=mallory, email=email).exists(), "nothing is proved yet"
    key = EmailConfirmationHMAC(mine).key
    verified = Client().post(f"{AUTH}/auth/email/verify", {"key": key}, "application/json")
    assert verified.status_code == 401, "verified, and not logged in"
    for who in ({"email": email}, {"username": name}):
        client = Client(REMOTE_ADDR=new_address())
        logged_in = client.post(LOG_IN, who | {"password": PASSWORD}, "application/json")
        assert logged_in.status_code == 200, logged_in.text
        assert logged_in.json()["data"]["user"]["id"] == str(ada.pk)
    ada.refresh_from_db()
    mallory.refresh_from_db()
    assert (ada.email, mallory.email == email) == (email, False)
    assert list(EmailAddress.objects.filter(email=email)) == [mine]
    mail.outbox.clear()
    Client().post(f"{AUTH}/auth/password/request", {"email": email}, "application/json")
    (sent,) = mail.outbox
    assert (sent.to, ada.username in sent.body) == ([email], True)


def test_a_log_in_by_address_tries_one_password_whoever_claims_it(
    ada: User, alice: int, bob: int, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user_id in (alice, bob):
        EmailAddress.objects.create(user_id=user_id, email=ada.email)
        User.objects.get(pk=user_id).set_password(PASSWORD)
    tried: list[str] = []
    check = User.check_password

    def counted(self: User, password: str) -> bool:
        tried.append(self.username)
        return check(self, password)

    monkeypatch.setattr(User, "check_password", counted)
    for email in (ada.email, "nobody@example.org"):
        body = {"email": email, "password": "wrong-tide"}
        client = Client(REMOTE_ADDR=address)
        assert client.post(LOG_IN, body, "application/json").status_code == 400
    assert tried == [ada.username]


def test_claims_of_an_address_do_not_multiply_its_mails(
    ada: User, alice: int, bob: int, unique: Callable[[str], str]
) -> None:
    email = f"{unique('nobody')}@example.org"
    for user_id in (alice, bob):
        EmailAddress.objects.create(user_id=user_id, email=email)
    Client().post(f"{AUTH}/auth/password/request", {"email": email}, "application/json")
    assert [message.to for message in mail.outbox] == [[email]]


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

    monkeypatch.setattr(EmailAddress, "save", dies)
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
    theirs = EmailAddress.objects.create(user=other, email=wanted, verified=False)
    mine = EmailAddress.objects.create(user=ada, email=wanted, verified=False)
    assert verify_email(address=mine)
    assert list(EmailAddress.objects.filter(email=wanted)) == [mine]
    assert User.objects.get(pk=alice).email == ""
    assert User.objects.get(pk=ada.pk).email == ada.email, "she has a primary address"
    assert not verify_email(address=theirs), "the claim is gone"
    late = EmailAddress.objects.create(user=squatter, email=wanted, verified=False)
    assert not verify_email(address=late), "it is hers"
    assert EmailAddress.objects.filter(email=wanted, user=ada, verified=True).exists()


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

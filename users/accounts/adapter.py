"""How django-allauth logs in, refuses and notifies here."""

import logging
from typing import Any, NoReturn

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.core import context
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from core.http.callers import client_address
from core.http.problems import Conflict, Forbidden
from users.accounts.login_limits import begin_attempt, session_of
from users.models import AccountDeletion, User
from users.selectors import account_called
from users.services import verify_email
from users.usernames import is_held

logger = logging.getLogger(__name__)

EMAIL_LENGTH = 254  # of the columns
# Where a session that is not logged in yet says with which password it began.
_BEGAN_WITH = "log_in_began_with"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """django-allauth's hooks."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing: `authenticate` counts attempts. allauth's own limit locks out the owner."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The user with this name and password. Raises `TooManyRequests` or `Unavailable`."""
        name = credentials.get("email") or credentials.get("username") or ""
        account = account_called(name=name)
        attempt = begin_attempt(request=request, account=account, name=name)
        # Of this account alone: by an address, allauth tries the passwords of all who claim it.
        user: User | None = super().authenticate(
            request,
            username=account.username if account else "",
            password=credentials["password"],
        )
        if user:
            attempt.succeed()
        return user

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """A username that nobody has, and that nobody had until lately."""
        name = str(super().clean_username(username, shallow=shallow))
        if not shallow and is_held(username=name, user_id=None):
            raise self.validation_error("username_taken")
        return name

    def clean_email(self, email: str) -> str:
        """An address that fits its column."""
        if len(email) > EMAIL_LENGTH:
            raise ValidationError(
                f"An address has at most {EMAIL_LENGTH} characters.", code="max_length"
            )
        return str(super().clean_email(email))

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> Any:
        """Note with which password a log-in begins: a code may be given later."""
        refusal = super().pre_login(request, user, **kwargs)
        request.session[_BEGAN_WITH] = user.get_session_auth_hash()
        return refusal

    def login(self, request: HttpRequest, user: User) -> None:
        """Log in, unless the account was suspended or got a new password since `pre_login`.

        Checked again when the session is stored: what happened before that has not ended it.
        """
        began_with = request.session.pop(_BEGAN_WITH, "")
        self._refuse_if_changed(request, user, began_with)
        super().login(request, user)
        try:
            self._refuse_if_changed(request, user, began_with)
        except Forbidden:
            self.logout(request)
            raise

    def _refuse_if_changed(self, request: HttpRequest, user: User, began_with: str) -> None:
        now = User.objects.get(pk=user.pk)
        if not now.is_active:
            self.respond_user_inactive(request, now)
        if began_with and not constant_time_compare(began_with, now.get_session_auth_hash()):
            raise Forbidden(
                "The password has been changed since this log-in began. Begin again.",
                code="log_in_again",
            )

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Log it, without the name: people type their password there by mistake."""
        logger.warning("A wrong name or password came from %s.", client_address(request))

    def reauthenticate(self, user: User, password: str, session_key: str | None = None) -> bool:
        """Whether this is the password of `user`, the caller. Wrong ones count by session.

        `session_key`: if the session is not that of the request.
        """
        request = context.request
        key = session_key or session_of(request, account=user)
        attempt = begin_attempt(request=request, account=user, session_key=key)
        if not user.check_password(password):
            self.authentication_failed(request)
            return False
        attempt.succeed()
        return True

    def send_confirmation_mail(
        self, request: HttpRequest, emailconfirmation: Any, signup: bool
    ) -> None:
        """Send the key that verifies an address; or a notice, if another account has verified it.

        Nobody but the owner of the mailbox learns which.
        """
        address: EmailAddress = emailconfirmation.email_address
        if address.can_set_verified():
            super().send_confirmation_mail(request, emailconfirmation, signup)
        else:
            self.send_account_already_exists_mail(address.email)

    def respond_user_inactive(self, request: HttpRequest, user: User) -> NoReturn:
        """Say why the right password opens nothing."""
        if AccountDeletion.objects.filter(user_id=user.pk).exists():
            raise Forbidden("This account is being deleted.", code="account_deleted")
        raise Forbidden(
            "This account is suspended. Write to the people who run this site if you think that "
            "this is a mistake.",
            code="account_suspended",
        )

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Verify an address; returns True. Raises `Conflict` if another account was first."""
        try:
            is_mine = verify_email(address=email_address)
        except IntegrityError as error:
            raise Conflict("Another account has just taken this address. Try again.") from error
        if not is_mine:
            raise Conflict("Another account has verified this address.")
        email_confirmed.send(EmailAddress, request=request, email_address=email_address)
        return True

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Tell the owner what has been done. It is done already: a failure is only logged."""
        try:
            super().send_notification_mail(*args, **kwargs)
        except OSError:
            logger.exception("A notice to the owner of an account could not be sent.")

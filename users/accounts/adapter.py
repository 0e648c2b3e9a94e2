"""How django-allauth logs in, refuses and notifies here."""

import logging
from typing import Any, NoReturn

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from core.http.callers import client_address
from core.http.problems import Conflict, Forbidden, TooManyRequests
from users.accounts.login_limits import begin_attempt
from users.models import AccountDeletion, User
from users.services import release_unverified

logger = logging.getLogger(__name__)

# In seconds: as long as django-allauth's limit of wrong codes, which it does not say.
WRONG_CODES_WAIT = 300


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """django-allauth's hooks."""

    _caller: str | None = None

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing: `authenticate` counts attempts. allauth's own limit locks out the owner."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The user with this name and password. Raises `TooManyRequests` or `Unavailable`."""
        name = credentials.get("email") or credentials.get("username") or ""
        attempt = begin_attempt(request=request, name=name, device=self._caller)
        user: User | None = super().authenticate(request, **credentials)
        if user:
            attempt.succeed()
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Log it, without the name: people type their password there by mistake."""
        logger.warning("A wrong name or password came from %s.", client_address(request))

    def reauthenticate(self, user: User, password: str) -> bool:
        """Whether this is the caller's own password. A caller with a session is a known device."""
        self._caller = f"caller {user.pk}"
        found = self.authenticate(context.request, username=user.username, password=password)
        return found == user

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """An error of a form; too many wrong codes of a second factor raise `TooManyRequests`."""
        error: ValidationError = super().validation_error(code, *args)
        if code == "too_many_login_attempts":
            raise TooManyRequests(str(error.message), wait=WRONG_CODES_WAIT)
        return error

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
        """Verify an address. Others who only claimed it lose it: only one has its mailbox."""
        try:
            with transaction.atomic(using="default"):
                release_unverified(email=email_address.email, owner_id=email_address.user_id)
                return bool(super().confirm_email(request, email_address))
        except IntegrityError as error:
            raise Conflict("Another account has just verified this address.") from error

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Tell the owner what has been done. It is done already: a failure is only logged."""
        try:
            super().send_notification_mail(*args, **kwargs)
        except OSError:
            logger.exception("A notice to the owner of an account could not be sent.")

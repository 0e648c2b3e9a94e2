"""The two steps of a log-in to the admin: a password, then a code. Only the second one logs in.

After a right password the session names who may enter a code within PENDING_SECONDS. Nobody is
logged in yet: `request.user` is anonymous, and every page but these two leads back to the log-in.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.flows import activate_totp
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from users.accounts.codes import CodeForm, EnrolmentForm
from users.accounts.login_limits import begin_attempt
from users.models import User
from users.selectors import account_called

PENDING_SECONDS = 600
# Members of the session: who has given a right password; whether a code came after it.
_PENDING = "admin_pending"
_SECOND_FACTOR = "admin_second_factor"


class PasswordForm(AdminAuthenticationForm):
    """The log-in of staff has the same limits of failures as any log-in: by address and by name."""

    def clean(self) -> dict[str, object]:
        name = self.cleaned_data.get("username", "")
        account = account_called(name=name)
        request = cast("HttpRequest", self.request)
        attempt = begin_attempt(request=request, account=account, name=name)
        # As in `AccountAdapter.authenticate`.
        self.cleaned_data["username"] = account.username if account else ""
        cleaned = super().clean()
        attempt.succeed()
        return cleaned


@dataclass(frozen=True)
class PendingLogIn:
    """Somebody who has given the right password, and where they want to go."""

    user: User
    next_url: str


def has_totp(user: User) -> bool:
    """Whether a log-in of this user asks for a code."""
    return bool(get_mfa_adapter().is_mfa_enabled(user, types=[Authenticator.Type.TOTP]))


def begin_log_in(*, request: HttpRequest, user: User, next_url: str) -> bool:
    """Go on after a right password; returns whether a second step is needed before `user` is in.

    `user` is what `authenticate` has returned.
    """
    if not (settings.ADMIN_REQUIRES_TOTP or has_totp(user)):
        _enter(request, user, second_factor=False)
        return False
    request.session[_PENDING] = {
        "user": str(user.pk),
        "backend": user.backend,
        # A new password ends a log-in that has begun with the old one.
        "hash": user.get_session_auth_hash(),
        "at": time.time(),
        "next": next_url,
    }
    return True


def pending_log_in(request: HttpRequest) -> PendingLogIn | None:
    """Who may enter a code now; None if nobody has given the right password a short while ago."""
    pending = request.session.get(_PENDING)
    if pending is None or time.time() - pending["at"] > PENDING_SECONDS:
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True, is_staff=True).first()
    if user is None or not constant_time_compare(pending["hash"], user.get_session_auth_hash()):
        return None
    user.backend = pending["backend"]
    return PendingLogIn(user, pending["next"])


def enter_with_code(*, request: HttpRequest, user: User, form: CodeForm) -> None:
    """Log in after a valid `form`, whose code has been used up by its validation."""
    _enter(request, user, second_factor=True)
    form.save()


def enter_and_enrol(*, request: HttpRequest, user: User, form: EnrolmentForm) -> list[str] | None:
    """Log in after a valid `form`, and store its TOTP secret; returns the new recovery codes.

    None if the user has enrolled elsewhere meanwhile: nothing was done. The code works only once,
    here.
    """
    with transaction.atomic(using="default"):
        User.objects.select_for_update().get(pk=user.pk)
        if has_totp(user):
            return None
        _enter(request, user, second_factor=True)
        reauthenticate_by_password(request)  # a short while ago: allauth asks for that
        totp, recovery = activate_totp(request, form)
    totp.wrap().validate_code(form.cleaned_data["code"])
    if recovery is None:  # the user had some already
        return []
    recovery.wrap().mark_as_viewed()
    codes: list[str] = recovery.wrap().get_unused_codes()
    return codes


def has_entered(request: HttpRequest) -> bool:
    """Whether the log-in of this session is complete. It may be of somebody who is not staff."""
    return not settings.ADMIN_REQUIRES_TOTP or bool(request.session.get(_SECOND_FACTOR))


def _enter(request: HttpRequest, user: User, *, second_factor: bool) -> None:
    login(request, user, backend=user.backend)
    request.session.pop(_PENDING, None)
    request.session[_SECOND_FACTOR] = second_factor
    # However busy the session is.
    lifetime = timedelta(seconds=settings.ADMIN_SESSION_SECONDS)
    request.session.set_expiry(timezone.now() + lifetime)

"""What User Info does on a log-in, a log-out, or a change that could give an account away.

These are signals of Django and django-allauth, which send them and nothing else.
"""

import logging
import time
from typing import Any, cast

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.account.signals import (
    authentication_step_completed,
    email_added,
    email_removed,
    password_changed,
    password_reset,
    password_set,
)
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from core.http.callers import client_address
from users.accounts.devices import note_log_in
from users.accounts.login_limits import forget_failures
from users.accounts.notices import send_notice
from users.models import User
from users.sessions import (
    CLIENT,
    DEVICE_LENGTH,
    end_sessions,
    end_surplus_sessions,
    forget_session,
    remember_session,
)

logger = logging.getLogger(__name__)


@receiver(user_logged_in)
def remember_new_session(*, request: HttpRequest, user: User, **kwargs: Any) -> None:
    request.session[CLIENT] = {
        "device": request.headers.get("User-Agent", "")[:DEVICE_LENGTH],
        "address": client_address(request),
        "since": time.time(),
    }
    request.session.save()
    assert request.session.session_key  # noqa: S101  (just saved)
    remember_session(user_id=user.pk, session_key=request.session.session_key)
    end_surplus_sessions(user_id=user.pk)
    note_log_in(request=request, user=user)
    logger.info("User %d logged in from %s.", user.pk, client_address(request))


@receiver(authentication_step_completed)
def write_ids_as_texts(*, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Answers have the session's records as they are: the id of an authenticator is a text, too."""
    for record in get_authentication_records(request, user):
        if "id" in record:
            record["id"] = str(record["id"])
    request.session.modified = True


@receiver(user_logged_out)
def forget_ended_session(*, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user and request.session.session_key:
        forget_session(user_id=user.pk, session_key=request.session.session_key)


@receiver([password_changed, password_reset, password_set])
def end_other_sessions(*, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """A new password ends all other sessions: it may have been changed because of them."""
    keep = request.session.session_key if request.user.pk == user.pk else None
    end_sessions(user_id=user.pk, keep=keep)
    if keep:
        remember_session(user_id=user.pk, session_key=keep)
        # Django gives the session of the caller a new key, so the caller's tokens end too.
        # django-allauth answers with new tokens if nobody was logged in before: so pretend that.
        cast("Any", request).allauth.headless._pre_user = AnonymousUser()


@receiver(password_reset)
def allow_log_in(*, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Who has reset a password may use it, however often a wrong one was tried."""
    forget_failures(request=request, user_id=user.pk)


@receiver(email_added)
def tell_of_new_address(*, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    """allauth tells of a new primary address, but not of one that is only added."""
    send_notice("address_added", user=user, context={"added": email_address.email})


@receiver(email_removed)
def tell_removed_address(*, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    """allauth tells the primary address. The removed one is told too, if it was the owner's."""
    if email_address.verified:
        send_notice(
            "address_removed",
            user=user,
            to=email_address.email,
            context={"username": user.username},
        )

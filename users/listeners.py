"""What User Info does on a log-in, a log-out or a new password (signals of allauth)."""

from typing import Any, cast

from allauth.account.signals import password_changed, password_reset, password_set
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from users.models import User
from users.sessions import end_sessions, forget_session, remember_session


@receiver(user_logged_in)
def remember_new_session(*, request: HttpRequest, user: User, **kwargs: Any) -> None:
    if request.session.session_key is None:
        request.session.save()
    assert request.session.session_key  # noqa: S101  (just saved)
    remember_session(user_id=user.pk, session_key=request.session.session_key)


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

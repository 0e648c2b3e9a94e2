"""Forms that take a code of a second factor: wrong ones are limited as wrong passwords are.

django-allauth's own limit is one window for each account: whoever sends wrong codes keeps out the
owner. It is off (ACCOUNT_RATE_LIMITS).
"""

import logging
from typing import Any

from allauth.core import context
from allauth.headless.mfa import inputs
from allauth.mfa.base import forms
from allauth.mfa.totp.forms import ActivateTOTPForm
from django.core.exceptions import ValidationError

from core.http.callers import client_address
from users.accounts.login_limits import begin_code, session_of

logger = logging.getLogger(__name__)


class LimitedCode:
    """A mixin for allauth's forms. Raises `TooManyRequests` or `Unavailable` while it is cleaned.

    `session_key`: of a caller who has logged in, if the session is not that of the request.
    """

    user: Any

    def __init__(self, *args: Any, session_key: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._session_key = session_key

    def clean_code(self) -> str:
        """The code, which its check has used up. A wrong one is logged, without the name."""
        key = self._session_key or session_of(context.request, account=self.user)
        attempt = begin_code(request=context.request, account=self.user, session_key=key)
        try:
            code: str = super().clean_code()  # type: ignore[misc]  # of the form beside this
        except ValidationError:
            logger.warning("A wrong code came from %s.", client_address(context.request))
            raise
        attempt.succeed()
        return code


class CodeForm(LimitedCode, forms.AuthenticateForm):  # type: ignore[misc]  # allauth is untyped
    """The second step of a log-in, on a page."""


class ReauthenticationForm(LimitedCode, forms.ReauthenticateForm):  # type: ignore[misc]
    """Once more, of somebody who has logged in."""


class EnrolmentForm(LimitedCode, ActivateTOTPForm):  # type: ignore[misc]
    """The first code of a new authenticator app, on a page."""


class CodeInput(LimitedCode, inputs.AuthenticateInput):  # type: ignore[misc]
    """The second step of a log-in, in the API."""


class ReauthenticationInput(LimitedCode, inputs.ReauthenticateInput):  # type: ignore[misc]
    """Once more, in the API."""


class EnrolmentInput(LimitedCode, inputs.ActivateTOTPInput):  # type: ignore[misc]
    """The first code of a new authenticator app, in the API."""

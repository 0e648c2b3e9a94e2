"""Sign-up, tokens, addresses, passwords and codes, where django-allauth's views are not enough."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.account import views
from allauth.headless.account.inputs import (
    ChangePasswordInput,
    MarkAsPrimaryEmailInput,
    RequestPasswordResetInput,
    ResetPasswordInput,
    ResetPasswordKeyInput,
    SignupInput,
)
from allauth.headless.internal.restkit.response import APIResponse, ErrorResponse
from allauth.headless.mfa import views as mfa_views
from allauth.headless.tokens.views import RefreshTokenView
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from core.http.callers import client_address
from core.http.limits.counting import count_strictly
from core.http.problems import Conflict
from users.accounts.codes import CodeInput, EnrolmentInput, ReauthenticationInput
from users.accounts.refresh_cookie import clear_cookie, token_in_cookie, uses_cookie
from users.accounts.refresh_tokens import end_session_of
from users.models import User
from users.selectors import account_with_email, is_email_taken
from users.services import store_sign_up


def _claims_count_since() -> datetime | None:
    """Who has signed up with an address after this keeps others from that; None: nobody does."""
    if settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory":
        return None
    return timezone.now() - timedelta(days=settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS)


class SignUpInput(SignupInput):  # type: ignore[misc]  # allauth is untyped
    """Stores an account with its address or nothing, and one of two that ask at once.

    When verification is mandatory, every address makes an account, also one that somebody has
    verified: nobody learns here, or later, who has an account. Without its mailbox the new account
    opens nothing; its owner gets a mail that says so (`AccountAdapter.send_confirmation_mail`).
    Else a sign-up logs in, so it has to say that an address is taken.
    """

    def validate_unique_email(self, value: str) -> str:
        """The address. Raises `ValidationError` if that may be said."""
        since = _claims_count_since()
        if since and is_email_taken(email=value, since=since):
            raise get_adapter().validation_error("email_taken")
        return value

    def try_save(self, request: HttpRequest) -> Any:
        """The new user, and None: allauth asks for the answer to give instead of a log-in."""
        try:
            return super().try_save(request)
        except IntegrityError:
            # Somebody else has taken the name or the address meanwhile. The checks see that now.
            self.full_clean()
            if self.errors:
                raise ImmediateHttpResponse(ErrorResponse(request, input=self)) from None
            return super().try_save(request)

    def save(self, request: HttpRequest) -> User:
        adapter = get_adapter()
        user: User = adapter.save_user(request, adapter.new_user(request), self, commit=False)
        store_sign_up(user=user, since=_claims_count_since())
        return user


class SignUpView(views.SignupView):  # type: ignore[misc]
    input_class = {"POST": SignUpInput}


class SessionView(views.SessionView):  # type: ignore[misc]
    def delete(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Log out: 200. 401 for who is not logged in, whose half of a log-in ends as well.

        allauth answers 401 to both, which clients that are generated take for an error. The cookie
        of a refresh token logs out too: the access token may have expired.
        """
        was_logged_in = request.user.is_authenticated
        refusal = super().delete(request, *args, **kwargs)
        if token := token_in_cookie(request):
            was_logged_in |= end_session_of(token=token)
        response = cast("HttpResponse", APIResponse(request) if was_logged_in else refusal)
        if uses_cookie(request):
            clear_cookie(response)
        return response


class RefreshView(RefreshTokenView):  # type: ignore[misc]
    def handle_input(self, data: Mapping[str, Any] | None) -> HttpResponse | None:
        """Take the token of the cookie, if the client uses that and sends no token."""
        if uses_cookie(self.request) and "refresh_token" not in (data or {}):
            token = token_in_cookie(self.request)
            if not token:
                return cast("HttpResponse", ErrorResponse(self.request))
            data = {"refresh_token": token}
        # The page of each visitor asks without a token: that guesses nothing.
        if data:
            count_strictly(name="refresh", who=client_address(self.request))
        return cast("HttpResponse | None", super().handle_input(data))

    def handle(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer with new tokens; or 400, after which the cookie is of no use."""
        response = cast("HttpResponse", super().handle(request, *args, **kwargs))
        # Without one, another tab may just have got one.
        if token_in_cookie(request) and response.status_code == HTTPStatus.BAD_REQUEST:
            clear_cookie(response)
        return response


class OtherPasswordInput(ChangePasswordInput):  # type: ignore[misc]
    def clean_current_password(self) -> str:
        """The right password; wrong ones are limited as those of a log-in are."""
        current: str = self.cleaned_data["current_password"]
        if current and not get_adapter().reauthenticate(self.user, current):
            raise get_adapter().validation_error("enter_current_password")
        return current


class OtherPasswordView(views.ChangePasswordView):  # type: ignore[misc]
    input_class = OtherPasswordInput


class KeyInput(ResetPasswordKeyInput):  # type: ignore[misc]
    def clean_key(self) -> str:
        """The key of a mail; a text of another form raises an error, where allauth's code fails."""
        key: str = self.cleaned_data["key"]
        if not key.partition("-")[0].isalnum():
            raise get_adapter().validation_error("invalid_password_reset")
        return str(super().clean_key())


class NewPasswordInput(KeyInput, ResetPasswordInput):  # type: ignore[misc]
    pass


class NewPasswordView(views.ResetPasswordView):  # type: ignore[misc]
    input_class = NewPasswordInput

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Whether the key in a header is valid."""
        key = KeyInput({"key": request.headers.get("X-Password-Reset-Key", "")})
        if not key.is_valid():
            return cast("HttpResponse", ErrorResponse(request, input=key))
        return cast("HttpResponse", super().get(request, *args, **kwargs))


class ResetRequestInput(RequestPasswordResetInput):  # type: ignore[misc]
    def clean_email(self) -> str:
        """One account gets a mail, not each that claims the address."""
        email = str(super().clean_email())
        account = account_with_email(email=email)
        self.users = [account] if account and account.is_active else []
        return email


class ResetRequestView(views.RequestPasswordResetView):  # type: ignore[misc]
    input_class = ResetRequestInput


class PrimaryInput(MarkAsPrimaryEmailInput):  # type: ignore[misc]
    def clean_email(self) -> Any:
        """An address that is verified: else the answer would tell whether somebody has it."""
        address = super().clean_email()
        if not address.verified:
            raise get_adapter().validation_error("unverified_primary_email")
        return address


class AddressesView(views.ManageEmailView):  # type: ignore[misc]
    input_class = views.ManageEmailView.input_class | {"PATCH": PrimaryInput}

    def handle(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do all of a change or nothing."""
        try:
            with transaction.atomic(using="default"):
                return cast("HttpResponse", super().handle(request, *args, **kwargs))
        except IntegrityError as error:
            raise Conflict("Another account has this address.", field="email") from error


class CodeView(mfa_views.AuthenticateView):  # type: ignore[misc]
    input_class = CodeInput


class ReauthenticationView(mfa_views.ReauthenticateView):  # type: ignore[misc]
    input_class = ReauthenticationInput


class AuthenticatorAppView(mfa_views.ManageTOTPView):  # type: ignore[misc]
    input_class = {"POST": EnrolmentInput}

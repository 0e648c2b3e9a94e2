"""Sign-up, change and reset of the password, where django-allauth's own views are not enough."""

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.account import views
from allauth.headless.account.inputs import (
    ChangePasswordInput,
    ResetPasswordInput,
    ResetPasswordKeyInput,
    SignupInput,
)
from allauth.headless.internal.restkit.response import ErrorResponse
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from core.http.problems import Conflict
from core.sql import note_written
from users.models import User


class SignUpInput(SignupInput):  # type: ignore[misc]  # allauth is untyped
    """Stores an account with its address or nothing, and one of two that ask at once."""

    def try_save(self, request: HttpRequest) -> Any:
        """The new user, or None, and the answer to give instead of a log-in.

        When verification is mandatory, a known address gets the answer of a new one, after the same
        time: nobody learns here who has an account.
        """
        if self.account_already_exists:
            make_password(self.cleaned_data["password"])  # most of the time that an account takes
            note_written("default")  # the answer to a write has one header more
        try:
            return super().try_save(request)
        except IntegrityError:
            # Somebody else has taken the name or the address meanwhile. The checks see that now.
            self.full_clean()
            if self.errors:
                raise ImmediateHttpResponse(ErrorResponse(request, input=self)) from None
            return super().try_save(request)

    def save(self, request: HttpRequest) -> User:
        """Store the account and its address, in one transaction."""
        with transaction.atomic(using="default"):
            user: User = super().save(request)
        return user


class SignUpView(views.SignupView):  # type: ignore[misc]
    input_class = {"POST": SignUpInput}


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


class AddressesView(views.ManageEmailView):  # type: ignore[misc]
    def handle(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do all of a change or nothing."""
        try:
            with transaction.atomic(using="default"):
                return cast("HttpResponse", super().handle(request, *args, **kwargs))
        except IntegrityError as error:
            raise Conflict("Another account has this address.", field="email") from error

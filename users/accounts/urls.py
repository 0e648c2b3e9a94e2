"""The addresses under /_allauth/: those of django-allauth's endpoints that are in use.

Not used, so not here: phone numbers, log-in and verification by code, and allauth's own schema, as
these endpoints are in ours (socialfeed/schema.py).
"""

from collections.abc import Callable
from typing import Any, cast

from allauth.headless.account import views as account
from allauth.headless.base import views as base
from allauth.headless.constants import Client
from allauth.headless.mfa import views as mfa
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, include, path

from users.accounts.inputs import TypedInputs
from users.accounts.refresh_cookie import RefreshCookie
from users.accounts.views import (
    AddressesView,
    AuthenticatorAppView,
    CodeView,
    NewPasswordView,
    OtherPasswordView,
    ReauthenticationView,
    RefreshView,
    ResetRequestView,
    SessionView,
    SignUpView,
)

View = Callable[..., HttpResponse]


def _endpoint(address: str, view: type[base.APIView], name: str) -> URLPattern:
    ours: Any = type(view.__name__, (RefreshCookie, TypedInputs, view), {})
    return path(f"app/v1/{address}", cast("View", ours.as_api_view(client=Client.APP)), name=name)


_account = [
    _endpoint("auth/session", SessionView, "current_session"),
    _endpoint("auth/login", account.LoginView, "login"),
    _endpoint("auth/signup", SignUpView, "signup"),
    _endpoint("auth/reauthenticate", account.ReauthenticateView, "reauthenticate"),
    _endpoint("auth/email/verify", account.VerifyEmailView, "verify_email"),
    _endpoint("auth/password/request", ResetRequestView, "request_password_reset"),
    _endpoint("auth/password/reset", NewPasswordView, "reset_password"),
    _endpoint("account/password/change", OtherPasswordView, "change_password"),
    _endpoint("account/email", AddressesView, "manage_email"),
]
_totp = "account/authenticators/totp"
_codes = "account/authenticators/recovery-codes"
_mfa = [
    _endpoint("auth/2fa/authenticate", CodeView, "authenticate"),
    _endpoint("auth/2fa/reauthenticate", ReauthenticationView, "reauthenticate"),
    _endpoint("account/authenticators", mfa.AuthenticatorsView, "authenticators"),
    _endpoint(_totp, AuthenticatorAppView, "manage_totp"),
    _endpoint(_codes, mfa.ManageRecoveryCodesView, "manage_recovery_codes"),
]
_tokens = [_endpoint("tokens/refresh", RefreshView, "refresh")]
_app: list[URLPattern | URLResolver] = [
    _endpoint("config", base.ConfigView, "config"),
    path("", include((_account, "account"))),
    path("", include((_mfa, "mfa"))),
    path("", include((_tokens, "tokens"))),
]
app_name = "headless"
urlpatterns = [path("", include((_app, "app")))]

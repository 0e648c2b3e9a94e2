"""Accounts: sign-up, log-in and tokens (django-allauth), passwords, mail."""

from socialfeed.settings.core import PUBLIC_ORIGIN
from socialfeed.settings.environment import LOCAL, _env, _required
from socialfeed.settings.limits import TRUSTED_PROXY_COUNT

AUTH_USER_MODEL = "users.User"
# Only one: each would hash a wrong password again, which is meant to take long.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_SERVE_SPECIFICATION = True  # merged into ours by socialfeed.schema
HEADLESS_ADAPTER = "users.accounts.headless.StringIds"
HEADLESS_TOKEN_STRATEGY = "users.accounts.headless.SessionTokens"  # noqa: S105  (a class)
HEADLESS_JWT_ALGORITHM = "HS256"  # signed with SECRET_KEY: this service issues and checks them
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = _env.int("ACCESS_TOKEN_SECONDS", default=900)
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = SESSION_COOKIE_AGE = 30 * 24 * 3600
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": PUBLIC_ORIGIN + "/account/verify-email/{key}",
    "account_reset_password": PUBLIC_ORIGIN + "/account/password-reset",
    "account_reset_password_from_key": PUBLIC_ORIGIN + "/account/password-reset/{key}",
    "account_signup": PUBLIC_ORIGIN + "/",
}
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = _env.str(
    "EMAIL_VERIFICATION", default="optional" if LOCAL else "mandatory"
)
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_ADAPTER = "users.accounts.adapter.AccountAdapter"
# A key in a mail verifies an address for so long. A sign-up that was not verified until then keeps
# the address from nobody.
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
# To change an address, the password or the second factor takes the password or a code once more,
# not older than 300 s: a stolen access token does not give away the account.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Each such change is told by mail: to the address that the account had before.
ACCOUNT_EMAIL_NOTIFICATIONS = True
# Of one account, verified or not: each that is added gets a mail.
ACCOUNT_MAX_EMAIL_ADDRESSES = 10
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
# core.http.limits counts by address, and users.accounts.login_limits counts wrong passwords and
# codes. None of these is by account: who has stolen a token must not keep out its owner.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "signup": None,
    "reset_password_from_key": None,
    "reset_password": "5/m/key",  # an address
    "reauthenticate": None,
    "change_password": None,
    "manage_email": "20/m/ip",
    # Mails with a key. Not by the address: who claims it would stop the mail to its owner.
    "confirm_email": "10/m/ip",
    "login_failed": None,
}
# A username that its account has given up leads to that account for so many days; nobody else may
# take it.
FORMER_USERNAME_DAYS = _env.int("FORMER_USERNAME_DAYS", default=14)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "socialfeed"

vars().update(_env.email_url_config(_required("EMAIL_URL")))
# Mails are sent while a request waits. Seconds for each answer of the mail server.
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = _env.str("MAIL_FROM", default="socialfeed <no-reply@localhost>")

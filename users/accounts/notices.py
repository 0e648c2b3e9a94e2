"""Mails that tell the owner of an account what has been done to it."""

from collections.abc import Mapping

from allauth.account.adapter import get_adapter

from users.models import User

# users/templates/account/email/: `<notice>_subject.txt` and `<notice>_message.txt` each.
_FOLDER = "account/email/"


def send_notice(
    notice: str, *, user: User, to: str | None = None, context: Mapping[str, str] | None = None
) -> None:
    """Send a notice to the primary address of `user`, or to the address `to`, during a request.

    It names the request's address and client. An account without an address gets none. A failure
    of the mail server is logged, and does not raise.
    """
    get_adapter().send_notification_mail(_FOLDER + notice, user, dict(context or {}), email=to)

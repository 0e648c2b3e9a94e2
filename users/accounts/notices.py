"""Mails that tell the owner of an account what has been done to it."""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings

from users.models import User

logger = logging.getLogger(__name__)

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


def send_staff_notice(*, user: User, done: str) -> None:
    """Tell the owner of an account what staff have done: "The people who run this site have ...".

    Needs no request. Sent to the primary address; an account without one gets none. A failure of
    the mail server is logged, and does not raise: it is done already.
    """
    address = EmailAddress.objects.get_primary_email(user)
    if not address:
        return
    host = urlsplit(settings.PUBLIC_ORIGIN).netloc
    context = {"done": done, "current_site": {"name": host, "domain": host}}
    mail = get_adapter().render_mail(_FOLDER + "done_by_staff", address, context)
    try:
        mail.send()
    except OSError:
        logger.exception("A notice of what staff have done to an account could not be sent.")

"""The admin site: `admin.site`. Its log-in asks for a second factor, and its actions for a reason.

Every page but the two of the log-in needs a session of the admin (`users.session_stores`) in which
staff have entered a code.
"""

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from core.admin_actions import delete_selected
from users.accounts.codes import CodeForm, EnrolmentForm
from users.models import User
from users.sessions import end_sessions, remember_session
from users.staff.log_in import (
    PasswordForm,
    PendingLogIn,
    begin_log_in,
    enter_and_enrol,
    enter_with_code,
    has_entered,
    has_totp,
    pending_log_in,
)


class PasswordStep(LoginView):
    """The first page of the log-in."""

    authentication_form = PasswordForm
    template_name = "admin/login.html"

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user, next_url = form.get_user(), self.get_success_url()
        assert isinstance(user, User)  # noqa: S101  (the form has found one)
        if begin_log_in(request=self.request, user=user, next_url=next_url):
            return redirect("admin:second-factor")
        return redirect(next_url)


class OwnPasswordForm(AdminPasswordChangeForm):
    """Asks for the old password, with the limits of failures of a log-in."""

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        if not get_adapter().reauthenticate(self.user, old):
            raise ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return old


class OwnPasswordView(PasswordChangeView):
    """Staff change their own password: that ends all their other sessions, the API's too."""

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        user, key = self.request.user, self.request.session.session_key
        assert isinstance(user, User)  # noqa: S101  (the page is for staff)
        assert key  # noqa: S101  (of the caller, made anew by Django)
        end_sessions(user_id=user.pk, keep=key)
        remember_session(user_id=user.pk, session_key=key)
        get_adapter().send_notification_mail("account/email/password_changed", user)
        return answer


class StaffSite(admin.AdminSite):
    """Django's admin site, with our log-in and our confirmation of deletions."""

    site_header = site_title = "socialfeed"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.add_action(delete_selected)  # in place of Django's, which asks for no reason

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and has_entered(request)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        second = path("login/second-factor/", self.second_factor, name="second-factor")
        return [second, *super().get_urls()]

    @method_decorator(never_cache)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password. Who has entered already is led to the index."""
        index = reverse("admin:index")
        if request.method == "GET" and self.has_permission(request):
            return redirect(index)
        context = {
            **self.each_context(request),
            "title": "Log in",
            "subtitle": None,
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            **(extra_context or {}),
        }
        if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
            context[REDIRECT_FIELD_NAME] = index
        request.current_app = self.name
        view = PasswordStep.as_view(extra_context=context, next_page=index)
        return cast("HttpResponse", view(request))

    @method_decorator(never_cache)
    @method_decorator(csrf_protect)
    @method_decorator(sensitive_post_parameters("code"))
    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code of the authenticator app, or a recovery code; or have staff set up one."""
        pending = pending_log_in(request)
        if pending is None:
            messages.error(request, "Log in again: the password was not given, or too long ago.")
            return redirect("admin:login")
        data = request.POST if request.method == "POST" else None
        if has_totp(pending.user):
            return self._ask_for_code(request, pending, CodeForm(data, user=pending.user))
        return self._enrol(request, pending, EnrolmentForm(data, user=pending.user))

    def _ask_for_code(
        self, request: HttpRequest, pending: PendingLogIn, form: CodeForm
    ) -> HttpResponse:
        if form.is_valid():
            enter_with_code(request=request, user=pending.user, form=form)
            return redirect(pending.next_url)
        return self._page(request, "second_factor", title="Enter a code", form=form)

    def _enrol(
        self, request: HttpRequest, pending: PendingLogIn, form: EnrolmentForm
    ) -> HttpResponse:
        if form.is_valid():
            codes = enter_and_enrol(request=request, user=pending.user, form=form)
            if codes is None:
                return redirect("admin:second-factor")
            return self._page(
                request,
                "recovery_codes",
                title="Your recovery codes",
                codes=codes,
                next_url=pending.next_url,
            )
        adapter = get_mfa_adapter()
        image = adapter.build_totp_svg(adapter.build_totp_url(pending.user, form.secret))
        return self._page(
            request,
            "second_factor",
            title="Set up a second factor",
            form=form,
            secret=form.secret,
            # Without the XML declaration, which HTML does not have.
            image=image[image.index("<svg") :],
        )

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        request.current_app = self.name
        context = self.each_context(request) | context
        return TemplateResponse(request, f"admin/{template}.html", context)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Django's page, with our view."""
        request.current_app = self.name
        view = OwnPasswordView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            extra_context=self.each_context(request) | (extra_context or {}),
        )
        return cast("TemplateResponse", view(request))

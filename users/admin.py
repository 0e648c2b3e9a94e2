"""Staff's view of accounts."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from users.events import UserChanged, user_changed
from users.models import User
from users.services import end_sessions_on_commit, set_active


class LimitedLoginForm(AdminAuthenticationForm):
    """Staff's log-in counts failures as everybody's does: so many an address, so many a name."""

    def clean(self) -> dict[str, Any]:
        adapter = get_adapter()
        adapter.pre_authenticate(self.request, username=self.cleaned_data.get("username", ""))
        cleaned = super().clean()
        # As allauth does: who knows the password has used up no attempt.
        adapter._rollback_login_failed_rl_usage()
        return cleaned


admin.site.login_form = LimitedLoginForm


class NewPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in stubs only
    """A password that staff has set ends the user's sessions."""

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        end_sessions_on_commit(user_id=user.pk)
        return user


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    """Find an account by id, name or e-mail; let it in or keep it out."""

    add_form = AdminUserCreationForm
    change_password_form = NewPasswordForm
    list_display = [
        "username",
        "id",
        "display_name",
        "email",
        "is_active",
        "is_staff",
        "date_joined",
    ]
    list_filter = ["is_active", "is_staff", "is_superuser", "date_joined"]
    search_fields = ["=id", "username", "display_name", "=email"]
    ordering = ["-id"]
    show_full_result_count = False
    readonly_fields = ["id", "avatar_media_id", "date_joined", "last_login"]
    actions = ["activate", "deactivate"]
    fieldsets = [
        (None, {"fields": ["id", "username", "password"]}),
        ("Profile", {"fields": ["display_name", "email", "bio", "avatar_media_id"]}),
        (
            "Permissions",
            {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]},
        ),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]

    @admin.action(description="Let in the selected users")
    def activate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        changed = set_active(user_ids=[user.pk for user in users], active=True)
        self.message_user(request, f"{changed} let in.")

    @admin.action(description="Keep out the selected users and end their sessions")
    def deactivate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        changed = set_active(user_ids=[user.pk for user in users], active=False)
        self.message_user(request, f"{changed} kept out.")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not from here: what an account owns is in other databases too. Keep it out instead."""
        return False

    def save_model(
        self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool
    ) -> None:
        """What is shown changes everywhere; switching an account off ends its sessions too."""
        with transaction.atomic(using="default"):
            super().save_model(request, obj, form, change)
            user_changed.announce(UserChanged(obj.pk))
        if change and not obj.is_active:
            end_sessions_on_commit(user_id=obj.pk)

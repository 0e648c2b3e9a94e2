"""Staff's view of accounts."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from core.admin_classes import ReadOnlyAdmin
from core.http.problems import Conflict, NotFound
from users.events import UserChanged, user_changed
from users.models import AccountDeletion, User
from users.selectors import described
from users.services import delete_account, end_sessions_on_commit, set_active


class NewPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in stubs only
    """A password that staff sets ends the user's sessions."""

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)
        if commit:
            # No other column: the account may have been deactivated since it was loaded.
            user.save(update_fields=["password"])
        end_sessions_on_commit(user_id=user.pk)
        return user


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    """Find an account by id, name or e-mail; activate, deactivate or delete it."""

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
    actions = ["activate", "deactivate", "delete_accounts"]
    fieldsets = [
        (None, {"fields": ["id", "username", "password"]}),
        ("Profile", {"fields": ["display_name", "email", "bio", "avatar_media_id"]}),
        (
            "Permissions",
            {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]},
        ),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]

    @admin.action(description="Activate the selected users")
    def activate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        changed = set_active(user_ids=[user.pk for user in users], active=True)
        self.message_user(request, f"{changed} activated.")

    @admin.action(description="Deactivate the selected users and end their sessions")
    def deactivate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        changed = set_active(user_ids=[user.pk for user in users], active=False)
        self.message_user(request, f"{changed} deactivated.")

    @admin.action(
        description="Delete the selected accounts and all that they own", permissions=["purge"]
    )
    def delete_accounts(
        self, request: HttpRequest, users: QuerySet[User]
    ) -> TemplateResponse | None:
        """Asks first. The deletion runs in the background; an `AccountDeletion` shows its state."""
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Delete accounts",
                "users": users,
                "action_checkbox_name": ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "admin/users/delete_accounts.html", context)
        begun = 0
        for user in users:
            try:
                delete_account(user_id=user.pk, requested_by=AccountDeletion.RequestedBy.STAFF)
                begun += 1
            except (Conflict, NotFound) as problem:
                self.message_user(request, f"@{user}: {problem.detail}", messages.ERROR)
        self.message_user(request, f"{begun} are being deleted; see the account deletions.")
        return None

    def has_purge_permission(self, request: HttpRequest) -> bool:
        """Whether an account may be deleted, by the action above."""
        return request.user.has_perm("users.delete_user")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never as a row, because an account owns rows in other databases: there is an action."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """An account that is being deleted cannot be changed."""
        if obj is not None and AccountDeletion.objects.filter(user_id=obj.pk).exists():
            return False
        return super().has_change_permission(request, obj)

    def save_model(
        self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool
    ) -> None:
        """Save, and announce the change; a deactivation also ends the user's sessions.

        An account that is being deleted stays inactive, even if the form was loaded before that.
        """
        with transaction.atomic(using="default"):
            # Locked, so that `delete_account` comes before or after: the save writes all columns.
            if change and not User.objects.select_for_update().filter(pk=obj.pk).exists():
                raise PermissionDenied("This account is gone.")  # a save would create it again
            if AccountDeletion.objects.filter(user_id=obj.pk, done_at=None).exists():
                obj.is_active = False
                self.message_user(
                    request, "The account is being deleted, so it stays inactive.", messages.WARNING
                )
            super().save_model(request, obj, form, change)
            user_changed.announce(UserChanged(obj.pk))
        if change and not obj.is_active:
            end_sessions_on_commit(user_id=obj.pk)


@admin.register(AccountDeletion)
class AccountDeletionAdmin(ReadOnlyAdmin[AccountDeletion]):
    """Shows the progress of the deletion of accounts."""

    list_display = [
        "id",
        "user_id",
        "username",
        "requested_by",
        "requested_at",
        "so_far",
        "done_at",
    ]
    list_filter = ["requested_by", "requested_at"]
    id_fields = ["pk", "user_id"]
    search_fields = ["=username"]

    @admin.display(description="removed so far")
    def so_far(self, deletion: AccountDeletion) -> str:
        return described(deletion.removed)

"""Staff's view of accounts, of what protects them, and of groups.

`users.staff.ranks` says whose account staff may touch, whatever permissions they have. Only
superusers give or take rank, groups and permissions.
"""

from collections.abc import Sequence
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django.shortcuts import redirect

from core.admin_actions import ReasonField, StaffPage, staff_action
from core.admin_classes import ReadOnlyAdmin, set_owner_rule
from core.http.problems import Conflict, NotFound
from users.events import UserChanged, user_changed
from users.models import AccountDeletion, FormerUsername, SearchTerm, User
from users.search import index_names, names_of
from users.selectors import described, holders_of_email, rank_refusals
from users.services import (
    delete_account,
    remove_second_factor,
    replace_password,
    set_active,
)
from users.staff.ranks import locked_accounts, refusal

RANK_FIELDS = ["is_staff", "is_superuser", "groups", "user_permissions"]
# Acts that take something from an account: nobody does them to the own one.
LOSSES = {"deactivate", "delete_accounts", "reset_second_factor"}

set_owner_rule(rank_refusals)


def _actor(request: HttpRequest) -> User:
    return cast("User", request.user)  # every page is for staff


class NewPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in stubs only
    """A password that staff set ends the user's sessions, and the user is told."""

    reason = ReasonField()

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)
        if commit:
            replace_password(user=user)
        return user


@admin.register(User)
class UserAdmin(StaffPage[User], DjangoUserAdmin[User]):
    """Find an account by id, name or e-mail; activate, deactivate or delete it."""

    add_form = AdminUserCreationForm
    change_password_form = NewPasswordForm
    change_user_password_template = "admin/set_password.html"  # noqa: S105  (a page)
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
    # Only actions change `is_active`, and only the owner `is_private`. Only the owner changes the
    # e-mail address, too, and proves it: who has the mailbox resets the password.
    readonly_fields = [
        "id",
        "email",
        "is_active",
        "is_private",
        "avatar_media_id",
        "date_joined",
        "last_login",
    ]
    actions = ["activate", "deactivate", "reset_second_factor", "delete_accounts"]
    fieldsets = [
        (None, {"fields": ["id", "username", "password"]}),
        ("Profile", {"fields": ["display_name", "email", "bio", "is_private", "avatar_media_id"]}),
        ("Permissions", {"fields": ["is_active", *RANK_FIELDS]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]

    @staff_action(
        description="Activate the selected users", done="activated", permissions=["change"]
    )
    def activate(self, request: HttpRequest, users: Sequence[User], reason: str) -> Sequence[User]:
        return _set_active(users, active=True)

    @staff_action(
        description="Deactivate the selected users and end their sessions",
        done="deactivated",
        permissions=["change"],
    )
    def deactivate(
        self, request: HttpRequest, users: Sequence[User], reason: str
    ) -> Sequence[User]:
        return _set_active(users, active=False)

    @staff_action(
        description="Remove the second factor of the selected users and end their sessions",
        done="freed of their second factor",
        permissions=["reset"],
    )
    def reset_second_factor(
        self, request: HttpRequest, users: Sequence[User], reason: str
    ) -> Sequence[User]:
        return [user for user in users if remove_second_factor(user_id=user.pk)]

    @staff_action(
        description="Delete the selected accounts and all that they own",
        done="being deleted; see the account deletions",
        permissions=["purge"],
    )
    def delete_accounts(
        self, request: HttpRequest, users: Sequence[User], reason: str
    ) -> Sequence[User]:
        """The deletion runs in the background; an `AccountDeletion` shows its state.

        The account's own entries in the log go with it, so the `AccountDeletion` gets one too.
        """
        begun = []
        for user in users:
            try:
                deletion = delete_account(
                    user_id=user.pk, requested_by=AccountDeletion.RequestedBy.STAFF
                )
            except (Conflict, NotFound) as problem:
                self.message_user(request, f"@{user}: {problem.detail}", messages.ERROR)
                continue
            rows = AccountDeletion.objects.filter(pk=deletion)
            note = f"Requested. Reason: {reason}"
            LogEntry.objects.log_actions(_actor(request).pk, rows, CHANGE, note)
            begun.append(user)
        return begun

    def has_purge_permission(self, request: HttpRequest) -> bool:
        """Whether an account may be deleted, by the action above."""
        return request.user.has_perm("users.delete_user")

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Whether a second factor may be removed, by the action above."""
        return request.user.has_perm("mfa.delete_authenticator")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never as a row, because an account owns rows in other databases: there is an action."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not of a rank that the caller may not touch, nor of an account that is being deleted."""
        if obj is not None:
            if refusal(actor=_actor(request), target=obj):
                return False
            if AccountDeletion.objects.filter(user_id=obj.pk).exists():
                return False
        return super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Ranks are for superusers to change, and for nobody to change of the own account."""
        fixed = [*super().get_readonly_fields(request, obj)]
        if not _actor(request).is_superuser or (obj and obj.pk == request.user.pk):
            fixed += RANK_FIELDS
        return fixed

    def lock(self, request: HttpRequest, rows: Sequence[User]) -> Sequence[User]:
        request.user, found = locked_accounts(
            actor=_actor(request), user_ids=[row.pk for row in rows]
        )
        return found

    def refusal(self, request: HttpRequest, row: User, action: str) -> str:
        return refusal(actor=_actor(request), target=row, is_loss=action in LOSSES)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """For the own account, the page that asks for the old password."""
        if unquote(id) == str(request.user.pk):
            return redirect("admin:password_change")
        with transaction.atomic(using="default"):  # with the entry in the log
            # Locked before Django checks the ranks, because the account may be getting one.
            target = self.get_object(request, unquote(id))
            self.lock(request, [target] if target else [])
            return super().user_change_password(request, id, form_url)

    def save_model(
        self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool
    ) -> None:
        """Save the columns that the form has changed, and announce the change."""
        with transaction.atomic(using="default"):
            if change:
                self._save_changes(request, obj, form)
            else:
                super().save_model(request, obj, form, change)
            if {"username", "display_name"} & {*form.changed_data}:
                index_names(names=names_of(user_ids=[obj.pk]))
            if form.changed_data:
                user_changed.announce(UserChanged(obj.pk))

    def _save_changes(self, request: HttpRequest, obj: User, form: forms.ModelForm[User]) -> None:
        # Locked, because the account may have got a rank, or be gone, since the form was checked.
        stored = self.lock(request, [obj])
        if not stored:
            raise PermissionDenied("This account is gone.")
        why_not = self.refusal(request, stored[0], "change")
        if why_not:
            raise PermissionDenied(f"{obj}: {why_not}")
        if not _actor(request).is_superuser and {*RANK_FIELDS} & {*form.changed_data}:
            raise PermissionDenied("Your account is not a superuser any more.")
        columns = {field.name for field in User._meta.concrete_fields}
        obj.save(update_fields=columns.intersection(form.changed_data))


def _set_active(users: Sequence[User], *, active: bool) -> Sequence[User]:
    """Those who have changed."""
    before = {user.pk: user.is_active for user in users}
    set_active(user_ids=list(before), active=active)
    now = User.objects.in_bulk(before)
    return [user for user in users if now[user.pk].is_active != before[user.pk]]


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


@admin.register(FormerUsername)
class FormerUsernameAdmin(ReadOnlyAdmin[FormerUsername]):
    """Shows the names that accounts have given up, and that nobody else may take yet."""

    list_display = ["id", "username", "user_id", "freed_at"]
    id_fields = ["pk", "user_id"]
    search_fields = ["=username"]


@admin.register(SearchTerm)
class SearchTermAdmin(ReadOnlyAdmin[SearchTerm]):
    """Shows by what a user is found."""

    list_display = ["id", "user_id", "place", "term"]
    id_fields = ["pk", "user_id"]
    search_fields = ["term__exact"]


# Django and django-allauth register pages of their own, which know no ranks.
for _model in (Group, EmailAddress, Authenticator):
    admin.site.unregister(_model)


@admin.register(Group)
class GroupAdmin(StaffPage[Group], DjangoGroupAdmin):
    """Groups give permissions, so only superusers change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _actor(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _actor(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _actor(request).is_superuser


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin[EmailAddress]):
    """Shows the addresses that users log in with, and verifies them."""

    list_display = ["email", "user", "primary", "verified"]
    list_select_related = ["user"]
    list_filter = ["primary", "verified"]
    id_fields = ["pk", "user_id"]
    search_fields = ["=email", "=user__username"]
    actions = ["make_verified"]

    @staff_action(
        description="Mark the selected addresses as verified",
        done="verified",
        permissions=["verify"],
    )
    def make_verified(
        self, request: HttpRequest, addresses: Sequence[EmailAddress], reason: str
    ) -> Sequence[Model]:
        """As the link in a mail does. One that another account has verified stays as it is."""
        verified = []
        for address in addresses:
            if address.verified:
                continue
            try:
                get_adapter().confirm_email(request, address)
            except Conflict as problem:
                self.message_user(request, f"{address}: {problem.detail}", messages.ERROR)
                continue
            verified.append(address)
        return verified

    def has_verify_permission(self, request: HttpRequest) -> bool:
        """Whether addresses may be verified: Django's permission to change them."""
        return request.user.has_perm("account.change_emailaddress")

    def lock(self, request: HttpRequest, rows: Sequence[EmailAddress]) -> Sequence[EmailAddress]:
        """The addresses, with their users' present ranks. Other holders of them are locked too."""
        user_ids = {row.user_id for row in rows} | holders_of_email(
            emails={row.email for row in rows}
        )
        request.user, found = locked_accounts(actor=_actor(request), user_ids=user_ids)
        users = {user.pk: user for user in found}
        there = [row for row in rows if row.user_id in users]
        for row in there:
            row.user = users[row.user_id]
        return there

    def refusal(self, request: HttpRequest, row: EmailAddress, action: str) -> str:
        """Verifying takes the address from all its other holders, so their ranks count too."""
        why_not = refusal(actor=_actor(request), target=row.user)
        if why_not or _actor(request).is_superuser:
            return why_not
        others = holders_of_email(emails=[row.email]) - {row.user_id}
        if rank_refusals(actor_id=_actor(request).pk, user_ids=others):
            return "an account of staff has this address too; only a superuser may verify it."
        return ""


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin[Authenticator]):
    """Shows who has a second factor, not its secret. An action on the accounts removes it."""

    list_display = ["id", "user", "type", "created_at", "last_used_at"]
    list_select_related = ["user"]
    list_filter = ["type", "created_at", "last_used_at"]
    exclude = ["data"]
    id_fields = ["pk", "user_id"]
    search_fields = ["=user__username"]

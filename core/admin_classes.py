"""Base classes for the admin pages of all apps."""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Generic, Protocol, TypeVar, cast

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from core.admin_actions import StaffPage
from core.ids import MAX_ID
from core.likes import AbstractLike

Row = TypeVar("Row", bound=Model)


class OwnerRule(Protocol):
    """Says why a member of staff may not touch what an account owns: by account, if not."""

    def __call__(self, *, actor_id: int, user_ids: Collection[int]) -> Mapping[int, str]: ...


_owner_rules: list[OwnerRule] = []


def set_owner_rule(rule: OwnerRule) -> None:
    """Let the app of the accounts say whose rows staff may touch."""
    _owner_rules[:] = [rule]


class IdSearchAdmin(StaffPage[Row], Generic[Row]):
    """Searches for a number only in `id_fields`, by their indexes, and does not count all rows.

    Django would compare the columns as text, or count, and so read the whole table. The newest rows
    come first. Staff cannot add rows.
    """

    id_fields: Sequence[str] = ("pk",)
    ordering = ["-id"]
    show_full_result_count = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        term = search_term.strip()
        if term.isdecimal() and int(term) <= MAX_ID:
            by_id = (Q((field, int(term))) for field in self.id_fields)
            return queryset.filter(reduce(or_, by_id)), False
        return super().get_search_results(request, queryset, search_term)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class ReadOnlyAdmin(IdSearchAdmin[Row], Generic[Row]):
    """Rows that staff can see but not change."""

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False


class OwnedAdmin(IdSearchAdmin[Row], Generic[Row]):
    """Rows that people own: staff change and delete only those of whom the rule lets them touch."""

    owner_field = "author_id"

    def refusals(self, request: HttpRequest, rows: Sequence[Row], action: str) -> Mapping[Row, str]:
        owners = {row: getattr(row, self.owner_field) for row in rows}
        actor_id = cast("int", request.user.pk)  # pages are for staff
        (rule,) = _owner_rules
        why_not = rule(actor_id=actor_id, user_ids={*owners.values()})
        return {row: why_not.get(owner, "") for row, owner in owners.items()}

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def _may_touch(self, request: HttpRequest, obj: Row | None) -> bool:
        return obj is None or not self.refusals(request, [obj], "change")[obj]


class LikesAdmin(ReadOnlyAdmin[AbstractLike]):
    """Shows who likes what."""

    list_display = ["id", "subject_id", "user_id", "created_at"]
    id_fields = ["pk", "subject_id", "user_id"]
    search_fields = ["=user_id"]

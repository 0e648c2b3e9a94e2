"""Acts of staff on rows: each declares a permission, asks first, and is in the admin's log.

`staff_action` makes an action of a list page. It first shows a page that names the rows and asks
for a reason. When staff have confirmed it, it acts, and adds an entry for each changed row to the
log: who, which row, when, and why. The entries commit with the change, if that is in `default`.

The forms of a `StaffPage`, which add or change a row, ask for a reason too, and log it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Generic, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from core.text import refuse_deceptive_text

# So many rows at once: each is a field of the page that asks, and Django takes a thousand.
MAX_ROWS = 500

Row = TypeVar("Row", bound=Model)
# (page, request, rows, reason) -> the rows that were changed
Act = Callable[[Any, HttpRequest, Sequence[Any], str], Sequence[Model]]
Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


class ReasonField(forms.CharField):
    """Why staff do something. It is no part of a row, so it never counts as a change."""

    def __init__(self, *, autofocus: bool = False) -> None:
        attributes = {"class": "vTextField"} | ({"autofocus": True} if autofocus else {})
        super().__init__(
            max_length=200,
            help_text="It is kept in the admin's log.",
            widget=forms.TextInput(attrs=attributes),
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class LinesField(forms.CharField):
    """A text of several lines. Browsers send each line end as CR and LF; that is no change."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"widget": AdminTextareaWidget})

    def to_python(self, value: Any) -> Any:
        return super().to_python(_with_plain_ends(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(_with_plain_ends(initial), _with_plain_ends(data))


def _with_plain_ends(text: Any) -> Any:
    return text.replace("\r\n", "\n").replace("\r", "\n") if isinstance(text, str) else text


class StaffPage(admin.ModelAdmin[Row], Generic[Row]):
    """A page whose actions may refuse rows, and whose forms and deletions ask for a reason."""

    def get_fields(self, request: HttpRequest, obj: Row | None = None) -> Any:
        """Django's hook: the fields of the row, without the reason."""
        return [name for name in super().get_fields(request, obj) if name != "reason"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Django's hook: a field of one line would join the lines of a caption or a biography."""
        if refuse_deceptive_text in db_field.validators:
            kwargs["form_class"] = LinesField
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Row | None = None) -> Any:
        """Django's hook: the reason comes last, if staff may save the form."""
        fieldsets = super().get_fieldsets(request, obj)
        if self._may_save(request, obj):
            return [*fieldsets, ("Why", {"fields": ["reason"]})]
        return fieldsets

    def get_form(
        self, request: HttpRequest, obj: Row | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Django's hook: the form of the row, and a reason."""
        if "fields" not in kwargs:
            kwargs["fields"] = flatten_fieldsets(self.get_fieldsets(request, obj))
        if kwargs["fields"] is not None:
            kwargs["fields"] = [name for name in kwargs["fields"] if name != "reason"]
        form = super().get_form(request, obj, change=change, **kwargs)
        if not self._may_save(request, obj):
            return form
        metaclass: Any = type(form)
        return metaclass(form.__name__, (form,), {"reason": ReasonField()})

    def construct_change_message(  # type: ignore[override]  # Django takes a text, too
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> str:
        """Django's hook: what the log says of a form that was saved."""
        done = super().construct_change_message(request, form, formsets, add)
        what = LogEntry(change_message=json.dumps(done)).get_change_message()
        return f"{what} Reason: {form.cleaned_data['reason']}"

    def _may_save(self, request: HttpRequest, obj: Row | None) -> bool:
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def lock(self, request: HttpRequest, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows as they are now, locked until the transaction ends if `refusal` needs that.

        Called in a transaction on `default`. Rows that are gone are left out.
        """
        return rows

    def refusal(self, request: HttpRequest, row: Row, action: str) -> str:
        """Why staff may not do this to a row; empty if they may. `action`: the function's name."""
        return ""

    def refusals(self, request: HttpRequest, rows: Sequence[Row], action: str) -> Mapping[Row, str]:
        """What `refusal` says of each row; for a page that can answer for many at once."""
        return {row: self.refusal(request, row, action) for row in rows}

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One row is deleted as selected rows are."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_delete_permission(request, row):
            raise PermissionDenied
        asked = delete_selected(self, request, self.get_queryset(request).filter(pk=row.pk))
        return asked or redirect(_list_of(self))


class ReasonForm(forms.Form):
    """Why staff do it."""

    reason = ReasonField(autofocus=True)


def staff_action(
    *, description: str, done: str, permissions: Sequence[str], log_flag: int = CHANGE
) -> Callable[[Act], Action]:
    """Decorates the function that acts.

    `done` says what has happened to the rows ("deactivated"). `permissions` are names as Django's
    actions have them; a page without `has_NAME_permission` fails Django's checks. The function gets
    only rows that the page does not refuse, locked.
    """

    def decorate(act: Act) -> Action:
        @admin.action(description=description, permissions=permissions)
        @wraps(act)
        def ask_and_act(
            page: StaffPage[Any], request: HttpRequest, queryset: QuerySet[Any]
        ) -> HttpResponse | None:
            rows = list(queryset[: MAX_ROWS + 1])
            if len(rows) > MAX_ROWS:
                text = f"Select at most {MAX_ROWS} rows. Nothing was done."
                page.message_user(request, text, messages.ERROR)
                return None
            form = ReasonForm(request.POST if "confirmed" in request.POST else None)
            if not form.is_valid():
                return _ask(page, request, rows, form, ask_and_act)
            reason = form.cleaned_data["reason"]
            actor_id = cast("int", request.user.pk)  # pages are for staff
            with transaction.atomic(using="default"):
                rows, refusals = _sorted(page, request, page.lock(request, rows), act.__name__)
                changed = act(page, request, rows, reason) if rows else []
                note = f"{done.capitalize()}. Reason: {reason}"
                if changed:
                    LogEntry.objects.log_actions(actor_id, changed, log_flag, note)
            for refusal in refusals:
                page.message_user(request, f"Left as it is: {refusal}", messages.ERROR)
            page.message_user(request, f"{len(changed)} {done}.")
            return None

        return ask_and_act

    return decorate


def _sorted(
    page: StaffPage[Any], request: HttpRequest, rows: Sequence[Any], action: str
) -> tuple[list[Any], list[str]]:
    """The rows that are not refused; and of the others, which and why."""
    refusals = page.refusals(request, rows, action)
    taken = [row for row, why in refusals.items() if not why]
    return taken, [f"{row}: {why}" for row, why in refusals.items() if why]


def _ask(
    page: StaffPage[Any], request: HttpRequest, rows: Sequence[Any], form: ReasonForm, action: Any
) -> HttpResponse:
    taken, refusals = _sorted(page, request, rows, action.__name__)
    request.current_app = page.admin_site.name
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": action.short_description % {"verbose_name_plural": page.opts.verbose_name_plural},
        "rows": taken,
        "refusals": refusals,
        "form": form,
        "action": action.__name__,
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": _list_of(page),
    }
    return TemplateResponse(request, "admin/staff_action.html", context)


def _list_of(page: StaffPage[Any]) -> str:
    """The name of a list page's address."""
    return f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"


@staff_action(
    description="Delete the selected %(verbose_name_plural)s",
    done="deleted",
    permissions=["delete"],
    log_flag=DELETION,
)
def delete_selected(
    page: StaffPage[Any], request: HttpRequest, rows: Sequence[Model], reason: str
) -> Sequence[Model]:
    """In place of Django's action of this name, for all pages."""
    keys = [row.pk for row in rows]
    page.delete_queryset(request, page.get_queryset(request).filter(pk__in=keys))
    return rows

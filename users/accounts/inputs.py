"""django-allauth's inputs take values of their own type only.

allauth reads JSON with Django's forms, which turn every value into a text: the list ["x"] would be
the password "['x']".
"""

from collections.abc import Mapping
from typing import Any

from allauth.headless.internal.restkit.views import RESTView
from django.forms import BooleanField, CharField
from django.http import HttpResponse

from core.http.problems import Invalid


class TypedInputs(RESTView):  # type: ignore[misc]  # allauth is untyped
    """A mixin for allauth's views."""

    def handle_input(self, data: Mapping[str, Any] | None) -> HttpResponse | None:
        """Check the types of known fields first. Raises `Invalid` that names the wrong one."""
        form = self.get_input_class()
        fields = form.base_fields if form else {}
        for name, value in (data or {}).items():
            _check(name, fields.get(name), value)
        response: HttpResponse | None = super().handle_input(data)
        return response


def _check(name: str, field: Any, value: Any) -> None:
    if isinstance(field, CharField) and not isinstance(value, str):
        raise Invalid(f"{name}: Send a text.", field=name)
    if isinstance(field, BooleanField) and not isinstance(value, bool):
        raise Invalid(f"{name}: Send true or false.", field=name)

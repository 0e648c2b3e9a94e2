"""Fields of JSON bodies take a value of their own type only."""

from typing import Any

import pytest
from rest_framework import serializers

from core.http.fields import FlagField, IdField, TextField
from core.ids import MAX_ID


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        (TextField(), " 5 ", "5"),
        (FlagField(), False, False),
        (IdField(), "765432109876543210", 765432109876543210),
        (IdField(), str(MAX_ID), MAX_ID),
        (IdField(), 7, 7),
    ],
)
def test_a_value_of_the_type_is_taken(
    field: serializers.Field[Any, Any, Any, Any], given: object, value: object
) -> None:
    assert field.run_validation(given) == value


@pytest.mark.parametrize(
    ("field", "given"),
    [
        *((TextField(), value) for value in (5, -7.5e16, True, ["a"], {"a": "b"})),
        *((FlagField(), value) for value in ("true", "yes", "", 0, 1, 1.0, [True])),
        *((IdField(), value) for value in ("0", "-1", " 1", "1.0", "1_0", "\u0663", "", "9" * 20)),
        *((IdField(), value) for value in (0, -1, MAX_ID + 1, 10**400, 1.0, True, ["1"])),
    ],
)
def test_a_value_of_another_type_is_refused(
    field: serializers.Field[Any, Any, Any, Any], given: object
) -> None:
    with pytest.raises(serializers.ValidationError):
        field.run_validation(given)


def test_an_id_is_written_as_a_text() -> None:
    assert IdField().to_representation(7) == "7"

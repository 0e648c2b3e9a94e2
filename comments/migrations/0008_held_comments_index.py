"""Find the comments that are held back, which are not shown; built while others write."""

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models

NAME = "comment_held_is_not_shown"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("comments", "0007_held_comments")]

    operations = [
        AddIndexConcurrently(
            model_name="comment",
            index=models.Index(
                condition=models.Q(("held_for__isnull", False)),
                fields=["held_for", "id"],
                name="comment_held",
            ),
        ),
        AddConstraintNotValid(
            model_name="comment",
            constraint=models.CheckConstraint(
                condition=models.Q(("held_for__isnull", True), ("is_shown", False), _connector="OR"),
                name=NAME,
            ),
        ),
        ValidateConstraint(model_name="comment", name=NAME),
    ]

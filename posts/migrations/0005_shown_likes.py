"""A like knows whether it is shown and counted. The new index serves reads that ask for that."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The indexes change while requests write to the table.
    atomic = False

    dependencies = [
        ("posts", "0004_refuse_deceptive_text"),
    ]

    operations = [
        migrations.AddField(
            model_name="like",
            name="is_shown",
            field=models.BooleanField(db_default=True, editable=False),
        ),
        AddIndexConcurrently(
            model_name="like",
            index=models.Index(
                fields=["subject_id", "-id"],
                include=("user_id", "is_shown"),
                name="like_shown_of_subject",
            ),
        ),
        RemoveIndexConcurrently(model_name="like", name="like_of_subject"),
        AddIndexConcurrently(
            model_name="like",
            index=models.Index(
                fields=["user_id"], condition=models.Q(("is_shown", False)), name="like_hidden"
            ),
        ),
    ]

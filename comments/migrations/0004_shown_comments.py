"""A comment, and a like of one, knows whether it is shown and counted.

An account's comments are walked in the order of their ids, so they have an index for that.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The indexes change while requests write to the tables.
    atomic = False

    dependencies = [
        ("comments", "0003_refuse_deceptive_text"),
    ]

    operations = [
        migrations.AddField(
            model_name="comment",
            name="is_shown",
            field=models.BooleanField(db_default=True, editable=False),
        ),
        migrations.AddField(
            model_name="commentlike",
            name="is_shown",
            field=models.BooleanField(db_default=True, editable=False),
        ),
        AddIndexConcurrently(
            model_name="commentlike",
            index=models.Index(
                fields=["subject_id", "-id"],
                include=("user_id", "is_shown"),
                name="commentlike_shown_of_subject",
            ),
        ),
        RemoveIndexConcurrently(model_name="commentlike", name="commentlike_of_subject"),
        AddIndexConcurrently(
            model_name="comment",
            index=models.Index(fields=["author_id", "id"], name="comment_by_author"),
        ),
        AddIndexConcurrently(
            model_name="commentlike",
            index=models.Index(
                fields=["user_id"], condition=models.Q(("is_shown", False)), name="commentlike_hidden"
            ),
        ),
        AddIndexConcurrently(
            model_name="comment",
            index=models.Index(
                fields=["author_id"], condition=models.Q(("is_shown", False)), name="comment_hidden"
            ),
        ),
        migrations.AlterField(
            model_name="comment",
            name="author_id",
            field=models.BigIntegerField(editable=False),
        ),
    ]

"""Index, in order of time, a post's comments that are no replies, and the replies to a comment."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The indexes are built while requests write to the table.
    atomic = False

    dependencies = [
        ("comments", "0005_reply_counts"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="comment",
            index=models.Index(
                fields=["post_id", "id"],
                condition=models.Q(("reply_to__isnull", True)),
                name="comment_top_level",
            ),
        ),
        AddIndexConcurrently(
            model_name="comment",
            index=models.Index(
                fields=["reply_to", "id"],
                condition=models.Q(("reply_to__isnull", False)),
                name="comment_by_reply",
            ),
        ),
        migrations.AlterField(
            model_name="comment",
            name="reply_to",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=models.DO_NOTHING,
                related_name="replies",
                to="comments.comment",
            ),
        ),
    ]

import django.db.models.deletion
import django.db.models.functions.datetime
import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("comments", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="comment",
            name="author_id",
            field=models.BigIntegerField(db_index=True, editable=False),
        ),
        migrations.AlterField(
            model_name="comment",
            name="post_id",
            field=models.BigIntegerField(editable=False),
        ),
        migrations.AlterField(
            model_name="comment",
            name="reply_to",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="replies",
                to="comments.comment",
            ),
        ),
        migrations.CreateModel(
            name="CommentLike",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        db_default=core.ids.NextId(),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("subject_id", models.BigIntegerField()),
                ("user_id", models.BigIntegerField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["subject_id", "-id"],
                        include=("user_id",),
                        name="commentlike_of_subject",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user_id", "subject_id"), name="commentlike_once"
                    )
                ],
            },
        ),
    ]

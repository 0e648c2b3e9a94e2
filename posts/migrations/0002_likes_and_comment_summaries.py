import django.db.models.functions.datetime
import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="post",
            name="comments_closed",
            field=models.BooleanField(db_default=False, help_text="Nobody can comment any more."),
        ),
        migrations.CreateModel(
            name="CommentSummary",
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
                ("post_id", models.BigIntegerField()),
                ("version", models.BigIntegerField()),
                ("count", models.BigIntegerField()),
                ("recent", models.JSONField()),
            ],
            options={
                "verbose_name_plural": "comment summaries",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("post_id", "version"), name="comment_summary_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Like",
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
                        fields=["subject_id", "-id"], include=("user_id",), name="like_of_subject"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("user_id", "subject_id"), name="like_once")
                ],
            },
        ),
    ]

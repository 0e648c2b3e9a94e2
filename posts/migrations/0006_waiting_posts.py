"""Posts that wait until all of their media are ready."""

import django.contrib.postgres.fields
import django.db.models.functions.datetime
from django.db import migrations, models

import core.ids
import core.text


class Migration(migrations.Migration):
    dependencies = [("posts", "0005_shown_likes")]

    operations = [
        migrations.CreateModel(
            name="WaitingPost",
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
                ("author_id", models.BigIntegerField(editable=False)),
                (
                    "caption",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=2200,
                        validators=[core.text.refuse_deceptive_text],
                    ),
                ),
                (
                    "media_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), editable=False, size=None
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "changed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "post_id",
                    models.BigIntegerField(
                        help_text="Once it is published: the post.", null=True
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["author_id", "-id"], name="waiting_post_by_author"),
                    models.Index(fields=["changed_at"], name="waiting_post_old"),
                ],
            },
        ),
    ]

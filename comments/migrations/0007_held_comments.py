"""Comments that are held back, and who may comment."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("comments", "0006_comments_in_order")]

    operations = [
        migrations.CreateModel(
            name="CommentRules",
            fields=[
                (
                    "author_id",
                    models.BigIntegerField(editable=False, primary_key=True, serialize=False),
                ),
                (
                    "comments_from",
                    models.CharField(
                        choices=[
                            ("everyone", "Everyone"),
                            ("following", "Following"),
                            ("followers", "Followers"),
                            ("nobody", "Nobody"),
                        ],
                        default="everyone",
                        max_length=10,
                    ),
                ),
                (
                    "hidden_words",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
            ],
            options={"verbose_name_plural": "comment rules"},
        ),
        migrations.AddField(
            model_name="comment",
            name="held_for",
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
    ]

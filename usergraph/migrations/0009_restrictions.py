"""Restrictions."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import core.ids


def person():
    return models.ForeignKey(
        db_index=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("usergraph", "0008_close_friends"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Restriction",
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
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("member", person()),
                ("owner", person()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(fields=["member", "owner"], name="restriction_by_member"),
                    models.Index(fields=["owner", "id"], name="restriction_list"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "member"), name="restriction_once"),
                    models.CheckConstraint(
                        condition=models.Q(("owner", models.F("member")), _negated=True),
                        name="restriction_not_oneself",
                    ),
                ],
            },
        ),
    ]

"""Find uploads that died or were never used; built while others write."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("media", "0004_media_place")]

    operations = [
        AddIndexConcurrently(
            model_name="media",
            index=models.Index(
                condition=models.Q(("used_as", "")), fields=["created_at"], name="media_unused"
            ),
        ),
        AddIndexConcurrently(
            model_name="media",
            index=models.Index(
                condition=models.Q(("place", "arriving")),
                fields=["created_at"],
                name="media_arriving",
            ),
        ),
    ]

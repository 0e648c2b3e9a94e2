"""Find what a waiting post holds; built while others write."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("media", "0009_held_by_waiting_posts")]

    operations = [
        AddIndexConcurrently(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("used_by_id__isnull", False)),
                fields=["used_by_id"],
                name="upload_held",
            ),
        ),
        AddIndexConcurrently(
            model_name="media",
            index=models.Index(
                condition=models.Q(("used_as", "waiting")),
                fields=["used_by_id"],
                name="media_held",
            ),
        ),
    ]

"""Whether an upload has a medium variant, and a WebP of each. Those from before have neither."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media", "0005_stale_uploads")]

    operations = [
        migrations.AddField(
            model_name="media",
            name="has_webp",
            field=models.BooleanField(default=False, db_default=False, editable=False),
        )
    ]

"""What a waiting post holds: uploads on their way, and media."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media", "0008_media_video")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="used_by_id",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="media",
            name="used_as",
            field=models.CharField(
                blank=True,
                choices=[("post", "Post"), ("avatar", "Avatar"), ("waiting", "Waiting")],
                default="",
                max_length=10,
            ),
        ),
    ]

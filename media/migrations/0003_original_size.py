from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns that may be null and have no check are added without reading the table. Processes of
    the release before do not know them, and leave them null.
    """

    dependencies = [("media", "0002_refuse_deceptive_text")]

    operations = [
        migrations.AddField(
            model_name="media",
            name=name,
            field=models.IntegerField(
                blank=True, help_text="Of the upload, upright, in pixels.", null=True
            ),
        )
        for name in ("original_width", "original_height")
    ]

"""Where the objects of each media are.

Instances of the release before know nothing of it: what they upload is public.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media", "0003_original_size")]

    operations = [
        migrations.AddField(
            model_name="media",
            name="place",
            field=models.CharField(
                choices=[
                    ("arriving", "Arriving"),
                    ("public", "Public"),
                    ("withheld", "Withheld"),
                    ("moving", "Moving"),
                ],
                db_default="public",
                default="public",
                editable=False,
                max_length=10,
            ),
        ),
    ]

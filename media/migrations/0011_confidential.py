"""Media of posts that only some people see."""
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('media', '0010_held_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='media',
            name='is_confidential',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]

"""Who sees a post."""
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('posts', '0006_waiting_posts'),
    ]

    operations = [
        migrations.AddField(
            model_name='post',
            name='audience',
            field=models.CharField(choices=[('everyone', 'Everyone'), ('close_friends', 'Close Friends')], db_default='everyone', default='everyone', editable=False, max_length=20),
        ),
        migrations.AddField(
            model_name='waitingpost',
            name='audience',
            field=models.CharField(choices=[('everyone', 'Everyone'), ('close_friends', 'Close Friends')], db_default='everyone', default='everyone', editable=False, max_length=20),
        ),
    ]

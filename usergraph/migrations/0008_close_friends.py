"""Close friends."""
import core.ids
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usergraph', '0007_follow_requests'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CloseFriend',
            fields=[
                ('id', models.BigIntegerField(db_default=core.ids.NextId(), editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('member', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('owner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
                'indexes': [models.Index(fields=['member', 'owner'], name='closefriend_by_member'), models.Index(fields=['owner', 'id'], name='closefriend_list')],
                'constraints': [models.UniqueConstraint(fields=('owner', 'member'), name='closefriend_once'), models.CheckConstraint(condition=models.Q(('owner', models.F('member')), _negated=True), name='closefriend_not_oneself')],
            },
        ),
    ]

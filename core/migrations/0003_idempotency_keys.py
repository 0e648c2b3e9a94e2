import django.db.models.functions.datetime
import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [('socialfeed', '0003_idempotency_keys')]

    dependencies = [
        ('core', '0002_counters'),
    ]

    operations = [
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigIntegerField(db_default=core.ids.NextId(), editable=False, primary_key=True, serialize=False)),
                ('caller_id', models.BigIntegerField()),
                ('key', models.CharField(max_length=255)),
                ('route', models.TextField(help_text='The path.')),
                ('body_hash', models.CharField(help_text='SHA-256, in hexadecimal.', max_length=64)),
                ('status', models.PositiveSmallIntegerField()),
                ('body', models.BinaryField(help_text='Of the answer: JSON.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'socialfeed_idempotencykey',
                'indexes': [models.Index(fields=['created_at'], name='idempotency_key_by_time')],
                'constraints': [models.UniqueConstraint(fields=('caller_id', 'key'), name='idempotency_key_of_caller')],
            },
        ),
        migrations.CreateModel(
            name='CommentsIdempotencyKey',
            fields=[
            ],
            options={
                'verbose_name': 'idempotency key (comments)',
                'verbose_name_plural': 'idempotency keys (comments)',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('core.idempotencykey',),
        ),
        migrations.CreateModel(
            name='PostsIdempotencyKey',
            fields=[
            ],
            options={
                'verbose_name': 'idempotency key (posts)',
                'verbose_name_plural': 'idempotency keys (posts)',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('core.idempotencykey',),
        ),
    ]

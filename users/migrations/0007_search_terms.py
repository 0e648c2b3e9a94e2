from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0006_former_usernames'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='searched_as',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=91),
        ),
        migrations.CreateModel(
            name='SearchTerm',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('user_id', models.BigIntegerField()),
                ('place', models.SmallIntegerField(choices=[(0, 'First'), (1, 'Later')])),
                ('term', models.CharField(db_collation='C', max_length=30)),
            ],
            options={
                'indexes': [models.Index(fields=['place', 'term', 'user_id'], name='search_term_in_order'), models.Index(fields=['user_id', 'term'], name='search_term_of_user')],
            },
        ),
        # Removed by the database: instances of the release before know no terms.
        migrations.RunSQL(
            "ALTER TABLE users_searchterm ADD CONSTRAINT search_term_of_user FOREIGN KEY (user_id)"
            " REFERENCES users_user (id) ON DELETE CASCADE",
            "ALTER TABLE users_searchterm DROP CONSTRAINT search_term_of_user",
        ),
    ]

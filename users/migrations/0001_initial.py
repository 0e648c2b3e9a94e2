import django.contrib.auth.models
import django.core.validators
import django.utils.timezone
import core.ids
import users.models
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ("core", "0001_time_ordered_ids"),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('id', models.BigIntegerField(db_default=core.ids.NextId(), editable=False, primary_key=True, serialize=False)),
                ('username', models.CharField(error_messages={'unique': 'This username is taken. Choose another.'}, max_length=30, unique=True, validators=[django.core.validators.RegexValidator('^[a-zA-Z0-9_][a-zA-Z0-9_.]{0,29}\\Z', 'Use 1 to 30 letters (a to z), digits, dots and underscores, and no dot first.'), users.models.refuse_reserved_username])),
                ('display_name', models.CharField(blank=True, default='', max_length=60)),
                ('bio', models.CharField(blank=True, default='', max_length=500)),
                ('avatar_media_id', models.BigIntegerField(blank=True, null=True)),
                ('avatar_key', models.CharField(blank=True, default='', editable=False, max_length=200)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'ordering': ['-id'],
                'abstract': False,
                'swappable': 'AUTH_USER_MODEL',
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
    ]

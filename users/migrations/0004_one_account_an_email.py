from typing import Any

import django.db.models.functions.text
from django.db import migrations, models

SHARED_SQL = """
SELECT count(*) FROM (
    SELECT FROM users_user WHERE email <> '' GROUP BY lower(email) HAVING count(*) > 1
) AS shared
"""


def refuse_shared_emails(apps: Any, schema_editor: Any) -> None:
    """Say what to do, where the constraint would only name the first address."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(SHARED_SQL)
        (shared,) = cursor.fetchone()
    if shared:
        raise RuntimeError(
            f"{shared} e-mail addresses belong to several accounts. List them with `manage.py "
            "shared_emails`, separate them with its --release, and migrate again."
        )


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0002_account_deletion'),
    ]

    operations = [
        migrations.RunPython(refuse_shared_emails, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower('email'),
                condition=models.Q(('email', ''), _negated=True),
                name='one_account_an_email',
                violation_error_message='Another account has this e-mail address.',
            ),
        ),
    ]

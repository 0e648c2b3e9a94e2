"""An edge knows for both ends whether they are shown and counted.

Accounts that are deactivated already are announced, so that what they have made is hidden as that of
accounts that are deactivated from now on.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

ANNOUNCE_INACTIVE = """
INSERT INTO fanout_outboxevent
    (kind, subscriber, payload, cursor, attempts, last_error, wake_at)
SELECT 'account_switched', app.name, jsonb_build_object('user_id', account.id), 0, 0, '', now()
FROM users_user AS account, unnest(ARRAY['posts', 'comments', 'usergraph', 'users']) AS app (name)
WHERE NOT account.is_active
"""


class Migration(migrations.Migration):
    # The indexes are built while requests write to the table.
    atomic = False

    dependencies = [
        ("core", "0006_outbox_request_tag"),
        ("users", "0005_refuse_deceptive_text"),
        ("usergraph", "0004_counts"),
    ]

    operations = [
        migrations.AddField(
            model_name="follow",
            name="follower_shown",
            field=models.BooleanField(db_default=True, editable=False),
        ),
        migrations.AddField(
            model_name="follow",
            name="followee_shown",
            field=models.BooleanField(db_default=True, editable=False),
        ),
        AddIndexConcurrently(
            model_name="follow",
            index=models.Index(
                fields=["follower"], condition=models.Q(("follower_shown", False)), name="follow_hidden_follower"
            ),
        ),
        AddIndexConcurrently(
            model_name="follow",
            index=models.Index(
                fields=["followee"], condition=models.Q(("followee_shown", False)), name="follow_hidden_followee"
            ),
        ),
        migrations.RunSQL(ANNOUNCE_INACTIVE, migrations.RunSQL.noop),
    ]

"""Names that accounts give up: the database holds them, whoever writes a username.

So instances of the release before hold and respect them, too.
"""

import django.db.models.functions.datetime
from django.db import migrations, models

import core.ids

# `users_username_look` is `users.usernames.look` in SQL; a test compares the two.
# The trigger runs after the row is written, and so after a transaction that gives up the same name:
# a statement in a function sees what has been committed until it begins.
CREATE = """
CREATE FUNCTION users_username_look(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to(
        replace(replace(translate(lower(name), '01i34578._', 'olleastb'), 'rn', 'm'), 'vv', 'w'),
        'UTF8')), 'hex')
$$;

CREATE FUNCTION users_username_is_held(name text, account bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM users_formerusername
        WHERE look = users_username_look(name) AND user_id IS DISTINCT FROM account
    ) AND NOT EXISTS (
        SELECT FROM users_formerusername
        WHERE username = lower(name) AND username <> '' AND user_id = account
    )
$$;

CREATE FUNCTION users_hold_username() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        IF users_username_is_held(NEW.username, NEW.id) THEN
            RAISE unique_violation USING
                MESSAGE = format('The username %s was another account''s until lately.', NEW.username),
                TABLE = 'users_formerusername';
        END IF;
        DELETE FROM users_formerusername WHERE username = NEW.username AND username <> '';
    ELSE
        UPDATE users_formerusername SET username = '', user_id = NULL WHERE user_id = OLD.id;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO users_formerusername (username, look, user_id)
        VALUES (OLD.username, users_username_look(OLD.username), OLD.id);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO users_formerusername (username, look, user_id)
        VALUES ('', users_username_look(OLD.username), NULL);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_hold_username_of_row AFTER INSERT OR DELETE ON users_user
    FOR EACH ROW EXECUTE FUNCTION users_hold_username();
CREATE TRIGGER users_hold_username_of_change AFTER UPDATE OF username ON users_user
    FOR EACH ROW WHEN (OLD.username <> NEW.username) EXECUTE FUNCTION users_hold_username();
"""

DROP = """
DROP TRIGGER users_hold_username_of_change ON users_user;
DROP TRIGGER users_hold_username_of_row ON users_user;
DROP FUNCTION users_hold_username;
DROP FUNCTION users_username_is_held;
DROP FUNCTION users_username_look;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0005_refuse_deceptive_text'),
    ]

    operations = [
        migrations.CreateModel(
            name='FormerUsername',
            fields=[
                ('id', models.BigIntegerField(db_default=core.ids.NextId(), editable=False, primary_key=True, serialize=False)),
                ('username', models.CharField(blank=True, db_default='', default='', help_text='Empty if the account is deleted.', max_length=30)),
                ('look', models.CharField(max_length=64)),
                ('user_id', models.BigIntegerField(null=True)),
                ('freed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(fields=['look'], name='former_username_look'), models.Index(fields=['user_id'], name='former_username_user'), models.Index(fields=['freed_at'], name='former_username_freed_at')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('username', ''), _negated=True), fields=('username',), name='one_owner_a_former_username')],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]

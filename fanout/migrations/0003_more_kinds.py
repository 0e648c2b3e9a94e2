from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fanout", "0002_oldest_undone"),
    ]

    operations = [
        migrations.AlterField(
            model_name="outboxevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("post_published", "Post Published"),
                    ("post_edited", "Post Edited"),
                    ("post_deleted", "Post Deleted"),
                    ("comments_changed", "Comments Changed"),
                    ("comments_deleted", "Comments Deleted"),
                    ("follow_changed", "Follow Changed"),
                    ("user_changed", "User Changed"),
                    ("account_deleted", "Account Deleted"),
                ],
                max_length=32,
            ),
        ),
    ]

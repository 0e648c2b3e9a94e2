"""Who may comment on a post."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0007_audience")]

    operations = [
        migrations.AddField(
            model_name="post",
            name="comments_from",
            field=models.CharField(
                choices=[
                    ("account", "Account"),
                    ("everyone", "Everyone"),
                    ("following", "Following"),
                    ("followers", "Followers"),
                    ("nobody", "Nobody"),
                ],
                db_default="account",
                default="account",
                help_text="Who may comment.",
                max_length=10,
            ),
        ),
    ]

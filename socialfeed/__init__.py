"""The Django project: settings, URLs, WSGI, Celery, the front page and the schema."""

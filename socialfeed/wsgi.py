"""What gunicorn serves, for the Read API and the Write API alike (`API_ROLE` tells them apart)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialfeed.settings")

application = get_wsgi_application()

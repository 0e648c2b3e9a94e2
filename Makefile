# `make` prints this help. Everything runs in .venv, which the first target that needs it makes.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long chaos bench bench-quick check format clean

help: ## Print this help.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

setup: $(READY) ## Make .venv and install everything into it.

# gunicorn's fast parser is compiled at installation; where there is no C compiler or no Python.h,
# its Python one does the same work more slowly.
HAS_PYTHON_H := import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "socialfeed needs Python 3.11 or newer; say which with: make PYTHON=python3.12 ...")'
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

run: $(READY) ## Start everything with a demo in it, and show the logs until Ctrl-C.
	@exec $(RUN) manage.py stack up --demo

test: $(READY) ## Run the whole suite, on real servers of its own (ARGS="-k timeline" for a part).
	@exec $(RUN) -m pytest $(ARGS)

test-long: $(READY) ## Run the state machine of home timelines for an hour or so.
	@exec $(RUN) -m pytest tests/timeline/test_home_property.py -k whatever --hypothesis-profile=long

chaos: $(READY) ## Break stacks of its own under load, and check what was promised (ARGS="--help").
	@exec $(RUN) -m tests.chaos $(ARGS)

bench: $(READY) ## Measure speed against references, some minutes (ARGS="--help").
	@exec $(RUN) -m tests.benchmarks $(ARGS)

bench-quick: $(READY) ## Less of it, within a minute; fails when a target is missed twofold.
	@exec $(RUN) -m tests.benchmarks --quick $(ARGS)

check: $(READY) ## Lint, types, import contracts, migrations: exactly what CI checks.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/mypy .
	$(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

format: $(READY) ## Format the code and mend what the linter can.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Take the stack down and remove .venv and var/, with all local data.
	@if test -x $(RUN); then $(RUN) manage.py stack down; fi
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

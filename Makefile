# Two commands do all: `make up` starts the house, `make test` proves that it works.
PYTHON ?= python3
RUN = .venv/bin/python

.PHONY: up test check bench install install-dev worldmodel test-model clean

up: install
	@exec $(RUN) -m deploy.up

test: install-dev test-model
	$(RUN) -m pytest $(PYTEST_ARGS)

check: install-dev test-model
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(RUN) -m pytest $(PYTEST_ARGS)

bench: install
	$(RUN) manage.py bench $(or $(NAME),inference)

install:
	@$(PYTHON) deploy/install.py

worldmodel:
	@$(PYTHON) deploy/install.py --worldmodel

install-dev:
	@$(PYTHON) deploy/install.py --dev

test-model:
	@$(RUN) manage.py models pull smollm2-135m-instruct || echo "tests that need a model will skip"

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

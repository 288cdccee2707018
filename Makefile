# Every target sets up what it needs in .venv, from `python3` alone; the next run starts at once.
# Another interpreter: `make clean`, then `make test PYTHON=python3.13`.

PYTHON ?= python3
python := .venv/bin/python
# The whole suite waits for databases most of the time: three processes take half as long as one, on two cores.
all_at_once := --numprocesses=3 --dist=worksteal
# Silences the theme's notice about later versions; constraints.txt has those that we build with.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo demo-full test test-all check bench peers docs docs-serve services format constraints clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
	do printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: .venv/.demo ## put some hundred orders through the example, and look at them
	@$(python) scripts/demo.py

demo-full: .venv/.full ## the same as three services, on PostgreSQL, RabbitMQ and Redis; ARGS=--forget removes what it left
	@$(python) scripts/demo_full.py $(ARGS)

test: .venv/.test ## run the tests; ARGS="-k name" to choose
	@$(python) -m pytest $(or $(ARGS),$(all_at_once))

test-all: .venv/.test ## run the tests, with the mutants on every adapter
	@$(python) -m pytest --everywhere $(or $(ARGS),$(all_at_once))

check: .venv/.dev ## run every other check; ARGS="mypy lint" to choose
	@$(python) scripts/check.py $(ARGS)

bench: .venv/.bench ## measure, always against something else in the same run
	@$(python) -m benchmarks $(ARGS)

peers: ## install what the benchmarks compare with, in an environment of its own
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet $(addprefix --requirement ,$(wildcard benchmarks/peers/*.txt))

docs: .venv/.docs ## build the documentation into site/
	@$(python) -m mkdocs build --strict
	@echo "The documentation is in site/index.html: open it in a browser."

docs-serve: .venv/.docs ## show the documentation while it is written
	@$(python) -m mkdocs serve

services: ## start the servers of compose.yml for the tests; ARGS="mariadb redis" to choose
	@docker compose version >/dev/null 2>&1 || \
	{ echo "Docker with its compose plugin is not installed. 'Servers for the tests' in CONTRIBUTING.md says how to do without."; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "Docker is installed, but its daemon does not answer: start it first."; exit 1; }
	@docker compose up --detach --wait $(ARGS)
	@echo "The tests find them by themselves. To stop them: docker compose down --volumes"

format: .venv/.dev ## lay the code out and repair what can be repaired by itself
	@$(python) -m ruff check --fix-only --quiet .
	@$(python) -m ruff format --quiet .

constraints: .venv/.made ## resolve all versions anew into constraints.txt
	@$(python) scripts/constraints.py

clean: ## remove all that was built, .venv too
	@rm -rf .venv .venv-peers demo demo-full site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp a dependency group of pyproject.toml. Installing `dev` stamps all that it includes.
.venv/.%: .venv/.made pyproject.toml constraints.txt scripts/install.py
	@$(python) scripts/install.py $*

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Twofold needs Python 3.11 or later; $(PYTHON) is another. Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

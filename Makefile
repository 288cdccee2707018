# Each target installs the packages that it needs into .venv, with `python3` alone. Later runs reuse them.
# To use another interpreter: `make clean`, then `make test PYTHON=python3.13`.

PYTHON ?= python3
python := .venv/bin/python
# The tests wait for databases and for other processes most of the time, so there are more processes than two cores.
in_parallel := --numprocesses=4 --dist=worksteal
# Each process of the tests imports all modules. Without stored byte code, it would also compile all of them.
unexport PYTHONDONTWRITEBYTECODE
# Silences the theme's notice about later versions. The documentation is built with the versions of constraints.txt.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo demo-full serve test test-all check bench peers docs docs-serve services format constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
	do printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: .venv/.demo ## run the orders example with some hundred orders, and print its read models
	@$(python) scripts/demo.py

demo-full: .venv/.full ## run the example as three services on PostgreSQL, RabbitMQ and Redis; ARGS=--delete deletes its data
	@$(python) scripts/demo_full.py $(ARGS)

serve: .venv/.serve ## serve the orders of the demo over HTTP; ARGS="--port 8001" selects a port
	@mkdir -p demo
	@cd demo && ../$(python) -m uvicorn orders.http:api --timeout-graceful-shutdown 5 $(ARGS)

test: .venv/.test ## run the tests; ARGS="-k name" selects some
	@$(python) -m pytest $(or $(ARGS),$(in_parallel))

test-all: .venv/.test ## run the tests in full, and the mutants on every adapter
	@$(python) -m pytest --everywhere $(or $(ARGS),$(in_parallel))

check: .venv/.dev ## run all other checks; ARGS="mypy lint" selects some
	@$(python) scripts/check.py $(ARGS)

bench: .venv/.bench ## run the benchmarks, each against a driver or a peer in the same run
	@$(python) -m benchmarks $(ARGS)

peers: ## install the peers of the benchmarks into .venv-peers
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet $(addprefix --requirement ,$(wildcard benchmarks/peers/*.txt))

docs: .venv/.docs ## build the documentation into site/
	@$(python) -m mkdocs build --strict
	@echo "The documentation is in site/index.html: open it in a browser."

docs-serve: .venv/.docs ## serve the documentation, and reload it after changes
	@$(python) -m mkdocs serve

services: ## start the servers of compose.yml for the tests; ARGS="mariadb redis" selects some
	@docker compose version >/dev/null 2>&1 || \
	{ echo "Docker with its compose plugin is not installed. See 'Servers for the tests' in CONTRIBUTING.md for other ways."; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "Docker is installed, but its daemon does not answer. Start the daemon."; exit 1; }
	@docker compose up --detach --wait $(ARGS)
	@echo "The tests find these servers. To stop them: docker compose down --volumes"

format: .venv/.dev ## format the code, and apply automatic fixes
	@$(python) -m ruff check --fix-only --quiet .
	@$(python) -m ruff format --quiet .

constraints: .venv/.made ## resolve all dependencies, and write their versions to constraints.txt
	@$(python) scripts/constraints.py

clean: ## delete everything that was built or installed, including .venv
	@rm -rf .venv .venv-peers demo demo-full site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each dependency group of pyproject.toml has a stamp file. Installing `dev` writes the stamps of all its groups.
.venv/.%: .venv/.made pyproject.toml constraints.txt scripts/install.py
	@$(python) scripts/install.py $*

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Twofold needs Python 3.11 or later, and $(PYTHON) is older. Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

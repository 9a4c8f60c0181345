# All that a developer or a curious operator runs.  `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The tools of .venv first; the checkout under its collection name.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_FORCE_COLOR ?= $(if $(CI),0,1)
export PYTHONUNBUFFERED := 1

heading = @printf '\n==== %s\n' "$(1)"

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## |##@ ' '/^##@/ { print "\n" $$2 } \
		/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what the demo needs: Debian packages, .venv, base image.
	@scripts/setup base

.PHONY: setup-test
setup-test:
	@scripts/setup test

##@ See it work

.PHONY: demo
demo: setup ## Deploy to a throw-away Debian 13 host and show that it works.
	@scripts/demo

.PHONY: demo-clean
demo-clean: ## Remove the host that `make demo` left running.
	@podman rm --force --ignore sqlmail-demo

.PHONY: bench
bench: setup-test ## Measure beside Postfix, Exim and files; ARGS="lookups" selects.
	@scripts/bench $(ARGS)

##@ Check it

.PHONY: test
test: setup-test ## Run every check; this is what CI runs.
	@scripts/test lint unit c-test sql-test module-test galaxy molecule

.PHONY: lint
lint: ruff shellcheck yamllint ansible-lint changelog-lint sanity ## Run all linters and ansible-test sanity.

.PHONY: ruff
ruff: ## Check the Python files and their format.
	$(call heading,ruff)
	ruff check .
	ruff format --check .

.PHONY: shellcheck
shellcheck: ## Check the shell scripts.
	$(call heading,shellcheck)
	git grep --untracked --files-with-matches --extended-regexp '^#!/.*\b(ba|da)?sh$$' \
		| xargs --no-run-if-empty shellcheck --severity=warning

.PHONY: yamllint
yamllint: ## Check the YAML files.
	$(call heading,yamllint)
	yamllint --strict .

.PHONY: ansible-lint
ansible-lint: ## Check playbooks and roles with profile production.
	$(call heading,ansible-lint)
	ansible-lint

.PHONY: changelog-lint
changelog-lint: ## Check the changelog fragments.
	$(call heading,antsibull-changelog)
	antsibull-changelog lint

.PHONY: sanity
sanity: ## Run ansible-test sanity on a copy of the tree.
	$(call heading,ansible-test sanity)
	@scripts/sanity

.PHONY: unit
unit: ## Run the unit tests and the house rules.
	$(call heading,pytest)
	pytest

.PHONY: c-test
c-test: ## Build and run the tests of the map class.
	$(call heading,C tests)
	@tests/c/run

.PHONY: c-compilers
c-compilers: ## Compile the map class with gcc 12, 14, 15 and clang, from Debian.
	$(call heading,C compilers)
	@tests/c/compilers

.PHONY: c-soak
c-soak: ## The same with 1,000,000 lookups and 10,000 forks; takes an hour.
	$(call heading,C tests of endurance)
	@T_LOOKUPS=1000000 T_FORKS=10000 T_TIMEOUT=7200 tests/c/run

.PHONY: sql-test
sql-test: ## Run the tests of the schema in a throw-away PostgreSQL cluster.
	$(call heading,SQL tests)
	@pg_virtualenv -t sh -c 'tests/sql/run && pytest --quiet tests/sql'

.PHONY: module-test
module-test: ## Call the modules by Ansible, in a throw-away PostgreSQL cluster; ARGS="-k NAME" selects.
	$(call heading,module tests)
	@pg_virtualenv -t pytest --quiet tests/modules $(ARGS)

.PHONY: core-versions
core-versions: ## Sanity, units and module tests on ansible-core 2.16 and newer; takes long.
	$(call heading,versions of ansible-core)
	@scripts/core-versions $(VERSIONS)

.PHONY: galaxy
galaxy: ## Build the collection, install it elsewhere, read its playbook.
	$(call heading,ansible-galaxy)
	@scripts/galaxy

.PHONY: molecule
molecule: ## Run the Molecule scenarios, or those named by SCENARIOS="...".
	$(call heading,molecule)
	@scripts/molecule $(SCENARIOS)

.PHONY: build
build: ## Build the tarball of the collection into build/.
	ansible-galaxy collection build --force --output-path build

.PHONY: clean
clean: ## Remove what was made in this directory, .venv included.
	rm -rf .ansible .cache .pytest_cache .ruff_cache .venv build

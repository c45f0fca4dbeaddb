# Moraine: type `make` to see what there is.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Two cores are what the suite is sized for; more are used where they are.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak check format docs bench airflow up

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## Create .venv with everything needed

demo: $(READY) ## Price, check, publish and clean up an embedded company through the real DAGs
	@$(BIN)/python -m pipelines.demo run

test: $(READY) ## Run the whole test suite, offline
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup

soak: $(READY) ## Clean up random worlds for a million steps; it takes half an hour
	@MORAINE_SOAK_STEPS=$${MORAINE_SOAK_STEPS:-1000000} $(BIN)/pytest -n $(JOBS) -m soak tests/properties

check: $(READY) ## Format, lint, types, imports, SQL lint
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint --disable-progress-bar sql
	@$(BIN)/codespell

format: $(READY) ## Mend what the formatters can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/sqlfluff fix --quiet sql

docs: $(READY) ## Write the page of the published tables from the models
	@$(BIN)/python -m pipelines.warehouse.tables_page docs

bench: $(READY) ## Measure speed and memory
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.listing
	@$(BIN)/python -m tests.bench.planning
	@$(BIN)/python -m tests.bench.applying

airflow: $(READY) ## Airflow itself over the embedded company on localhost; Ctrl-C ends all of it
	@$(BIN)/python dags/standalone.py

up: ## The compose stack: Airflow, Postgres, a worker, the embedded S3 endpoint
	@docker/make-env.sh
	docker compose --file docker/compose.yml up --build

$(READY): pyproject.toml constraints.txt docker/install.sh
	@echo "Installing into $(VENV), once ..."
	@docker/install.sh $(VENV) demo,dev
	@touch $@

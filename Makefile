# Every command does its own set-up: Python >= 3.11, make and a C compiler are all it needs.
PYTHON ?= python3
BIN := .venv/bin

unexport PYTHONDONTWRITEBYTECODE  # the program is started hundreds of times: compiled once

.PHONY: demo test check run bench install torture format

demo: install          ## a whole training in a sandbox, as a person sees it
	@$(BIN)/trainstation demo

test: install          ## everything but the long runs
	@$(BIN)/pytest

check: install         ## format, lint, types, and who may import whom
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

run: install           ## the bot, from .env
	@$(BIN)/trainstation run

bench: install         ## the figures (ONLY=name for one)
	@$(BIN)/python -m tests.bench $(ONLY)

torture: install       ## the long runs of the same tests
	@$(BIN)/pytest -m torture --timeout=1800

format: install
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

install: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@test -d .venv || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Thin: makes .venv from the lock when it is absent or older than the lock, then calls the tools.
# PASSIVE: threads that wait must sleep; spinning ones make a busy machine forty times slower.
export OMP_WAIT_POLICY := PASSIVE
export PYTHONUNBUFFERED := 1
PYTHON ?= python3
BIN := .venv/bin

.PHONY: repro test test-real test-all recipes bench stages ui lock clean
repro: .venv/installed
	@$(BIN)/python -m pipelines

test: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "not exhaustive and not real"

# On real data sets, whose archives are in the folder that MEDGAN_REAL_DATA names.
test-real: .venv/installed
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "real and not exhaustive"

test-all: .venv/installed
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# Every recipe end to end on phantoms with a small budget: one table, one MLflow experiment.
recipes: .venv/installed
	@$(BIN)/python -m benchmarks.recipes

# How fast and how dependable the training loop is: throughput, resume, a dead server, quality at equal CPU time.
bench: .venv/installed
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.resume
	$(BIN)/python -m benchmarks.outage
	$(BIN)/python -m benchmarks.quality_per_second

# Writes the code that each stage imports into dvc.yaml.
stages: .venv/installed
	@$(BIN)/python -m medgan.workspace.stages

ui: .venv/installed
	@$(BIN)/medgan ui

.venv/installed: requirements.lock requirements-uv.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# Resolve anew: the only step that changes versions.
lock: .venv/installed
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	  --extra train --extra postgresql --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv artifacts reports data/prepared

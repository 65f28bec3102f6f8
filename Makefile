# Everything a newcomer types. Each target makes the virtual environment in .venv by itself.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo serve test bench bench-quality bench-findings bench-statistics bench-reports faults clients screenshots check format lock

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## Make .venv with Touchstone and its test tools

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Touchstone needs Python 3.11 or newer: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(READY)

demo: $(READY) ## Fill a fresh database with synthetic traffic and show the reports
	$(BIN)/touchstone demo

serve: $(READY) ## Run the server and its worker on http://127.0.0.1:8000
	$(BIN)/touchstone serve

test: $(READY) ## Run all tests, JOBS of their files at a time
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

bench: $(READY) ## Measure the speed of everything here; writes benchmarks/results.md
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

bench-quality: $(READY) ## Measure the judges on the labelled sets of DATA; writes benchmarks/quality.md
	$(BIN)/touchstone bench quality --all --data $(DATA) $(if $(LIMIT),--limit $(LIMIT)) $(if $(CACHE),--cache $(CACHE))

bench-findings: $(READY) ## Count what the report claims in simulated weeks; writes benchmarks/findings.md
	$(BIN)/python -m benchmarks.false_findings

bench-statistics: $(READY) ## Count how often the corrected rate's interval holds the truth; writes benchmarks/statistics.md
	$(BIN)/python -m benchmarks.corrected_rates $(WEEKS)

bench-reports: $(READY) ## Measure reports over a million interactions; writes benchmarks/reports.md
	$(BIN)/python -m benchmarks.reports $(DATABASES)

faults: $(READY) ## Break things on purpose, in about an hour; writes benchmarks/faults.md
	$(BIN)/python -m tests.faults

clients: $(READY) ## Install real clients into FOLDER and let them talk to a live server; writes benchmarks/clients.md
	$(BIN)/python -m tests.real_clients $(FOLDER)

screenshots: $(READY) ## Write pictures of the main pages, light, dark and narrow, into screenshots/
	$(BIN)/python -m tests.screenshots

check: $(READY) ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Write requirements.lock anew from pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade --editable '.[pdf,postgres,test]'
	{ sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -viE '^(nvidia|triton|cuda)'; } > requirements.lock.new
	mv requirements.lock.new requirements.lock
	touch $(READY)

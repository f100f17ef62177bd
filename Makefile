# The only recipe book. Needs make, Python 3.11 or newer and a package registry.

# The newest suitable Python; PYTHON=... on the command line names another one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; exit; }; done; echo python3)
RUN := .venv/bin/python
# The Django plugin of the type checker loads the settings; nothing is connected to.
SETTINGS_FREE := env SECRET_KEY=none DATABASE_URL=postgresql://none/none \
	REDIS_URL=redis://none DANTARO_SETTINGS_FREE=1 DANTARO_ENV_FILE=/dev/null

.DEFAULT_GOAL := help
.PHONY: help setup demo up stop test check fuzz bench-simulator bench-central bench-user bench-web \
	screenshots lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="	" read -r t d; \
	do printf '  make %-16s %s\n' "$$t" "$$d"; done

setup: ## make .venv from the locked requirements (does nothing when it fits)
	@command -v $(PYTHON) >/dev/null || { echo "setup: no python3 found." \
	"Install Python 3.11 or newer: sudo apt install python3 python3-pip" >&2; exit 2; }
	@$(PYTHON) deploy/boot.py

demo: setup ## play the whole flow [SEED=n] [REPLAY=file REPLAY_FROM=date]
	@$(RUN) -m deploy.demo

up: setup ## run both servers with kept state in .run/up until Ctrl-C
	@$(RUN) -m deploy.launcher up

stop: setup ## stop what `make up` started, from another terminal
	@$(RUN) -m deploy.launcher stop

test: check ## everything that must pass: check, then all tests
	@$(RUN) -m pytest

check: setup ## lint, format, types and import contracts alone
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy common deploy conftest.py
	$(SETTINGS_FREE) .venv/bin/mypy --config-file deploy/mypy/central.ini central_project
	$(SETTINGS_FREE) .venv/bin/mypy --config-file deploy/mypy/user.ini user_project
	.venv/bin/lint-imports

fuzz: setup ## walk the exchange through new random worlds [EXAMPLES=n]
	@EXAMPLES=$${EXAMPLES:-3000} $(RUN) -m pytest -q -k "not the_steps" \
	tests/unit/test_matching_properties.py tests/unit/test_simulator_properties.py

bench-simulator: setup ## measure the simulator beside its baselines (2 minutes)
	@$(RUN) -m deploy.bench_simulator

bench-central: setup ## measure the central server beside its peers (10 minutes)
	@$(RUN) -m deploy.bench_central

bench-user: setup ## measure the user server beside naive ways (4 minutes)
	@$(RUN) -m deploy.bench_user

bench-web: setup ## measure the trader's pages with a long history (4 minutes)
	@$(RUN) -m deploy.bench_pages

screenshots: setup ## the demo, then pictures of every page (4 minutes, needs chromium)
	@$(RUN) -m deploy.screenshots

lock: setup ## resolve requirements/*.in again into the lock files
	test -x .boot/bin/uv || $(PYTHON) -m pip install -q --target .boot uv
	# All of it first, the parts from that: what is tested is what is shipped.
	cd requirements && export UV_SYSTEM_CERTS=1 && \
	compile="../.boot/bin/uv pip compile -q --universal --python-version 3.11 \
	--generate-hashes" && $$compile dev.in -o dev.txt && \
	for part in central user embedded simulator; \
	do $$compile -c dev.txt $$part.in -o $$part.txt || exit; done && \
	$$compile bench.in -o bench.txt  # peers: nothing of ours runs on them

clean: ## remove caches and demo runs (keeps .venv and the state of `make up`)
	rm -rf .run/demo-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
	.hypothesis
	find . -name __pycache__ -not -path './.venv/*' -not -path './.boot/*' \
	-prune -exec rm -rf {} +

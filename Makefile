# The logic is in dev.py (Windows: run.ps1). Pass arguments on: make run ARGS="--port 8000"
PYTHON ?= python3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test check chaos setup lock

help:
	@$(PYTHON) dev.py --help
run:
	@$(PYTHON) dev.py run $(ARGS)
test:
	@$(PYTHON) dev.py test $(ARGS)
check:
	@$(PYTHON) dev.py check $(ARGS)
chaos:
	@$(PYTHON) dev.py chaos $(ARGS)
setup:
	@$(PYTHON) dev.py setup $(ARGS)
lock:
	@$(PYTHON) dev.py lock $(ARGS)

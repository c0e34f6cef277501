# `make demo` restores a sample image, compares the samplers and writes a report; no display needed.
# `make test` runs every test, the GUI tests on a virtual display.
# Both start from Python >= 3.11, git and make alone, and are quick when the set-up is already there.

VENV ?= .venv
DEMO ?= demo
export VENV

.DEFAULT_GOAL := help
.PHONY: help venv system demo window test lint wheel clean

help:  ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

venv:  ## the virtual environment, with the package and its extras
	@.ci/steps.sh venv

system:  ## the libraries that a napari window needs (as root: installed through apt)
	@.ci/steps.sh system

demo: venv  ## teacher and student on a sample image, and a report
	$(VENV)/bin/napari-posterior demo --out "$(DEMO)" --overwrite </dev/null
	@echo
	@echo "The report is $(CURDIR)/$(DEMO)/report.html: open it in a browser."
	@echo "For the window: make window, then File > Open Sample > Posterior samples."

window: venv system  ## napari with the plugin
	$(VENV)/bin/napari

test: venv system  ## the tests (ARGS="-k name" for some, ARGS="-m slow" for those that train for minutes)
	@.ci/steps.sh test $(ARGS)

lint: venv  ## style, types, the one-way imports, the manifest
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/npe2 validate src/napari_posterior/napari.yaml

wheel: venv  ## wheel and sdist in dist/
	$(VENV)/bin/hatchling build

clean:  ## remove what was made here, the virtual environment included
	rm -rf "$(VENV)" .venv-ci "$(DEMO)" dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

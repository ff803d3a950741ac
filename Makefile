# Every target prepares what it needs: a bare clone, Python 3.11 or newer with venv, and make are enough.
PYTHON ?= python3
VENV ?= .venv
QUICKSTART ?= runs/quickstart
PYTEST_WORKERS ?= 2
PYTEST_FLAGS ?=
# The tests of a file share what takes long to build, so a file stays with one worker.
IN_PARALLEL := -n $(PYTEST_WORKERS) --dist=loadfile
NOTEBOOK_FLAGS ?=
# Their own environments, one for each Python.
OLDEST ?= .venv-oldest-$(notdir $(PYTHON))
NEWEST ?= .venv-newest-$(notdir $(PYTHON))
BUILDIFIER_VERSION ?= 8.2.1
export TF_CPP_MIN_LOG_LEVEL ?= 3

IN_VENV := $(VENV)/bin/python
BUILDIFIER := $(VENV)/node/node_modules/.bin/buildifier
BAZEL_FILES := BUILD MODULE.bazel
# Where the processor computes in bfloat16, training takes three quarters of the time.
PRECISION ?= $(shell grep -qsE "avx512_bf16|amx_bf16" /proc/cpuinfo && echo bfloat16 || echo float32)
SHIPPED_MODEL := avatars_256
SHIPPED_CAPTIONS := \
	--caption="a flat portrait of a person with long black hair and glasses, wearing a green shirt" \
	--caption="a flat drawing of a person who has a pink afro and dark skin and wears a yellow checkered shirt" \
	--caption="a flat drawing of a person with red pigtails and light skin, wearing something purple, smiling"
CAPTIONS := \
	--caption="a flat portrait of a person with long black hair and sunglasses, wearing a red shirt" \
	--caption="a flat portrait of a person with long black hair and glasses, wearing a green shirt" \
	--caption="a flat drawing of a person who has a pink afro and dark skin and wears a yellow checkered shirt" \
	--caption="a flat drawing of a person who has a full white beard and light skin and wears a blue shirt" \
	--caption="a flat drawing of a person with red pigtails and light skin, wearing something purple, smiling" \
	--caption="a bald person in flat style with glasses and brown skin, wearing a turquoise wrap"

.DEFAULT_GOAL := help
.PHONY: help quickstart web docs notebooks test test-slow test-oldest test-newest test-browser dist faults mutations lint format build-file lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 22

quickstart: $(VENV)/.installed-avatars  ## draw with the shipped model, then train a small one and draw with that
	@echo "== 1/6 samples of the shipped model"
	$(IN_VENV) -m dmgan_tf.sample --model=$(SHIPPED_MODEL) $(SHIPPED_CAPTIONS) \
		--num_samples=4 --seed=0 --output=$(QUICKSTART)/shipped
	@echo "Look at $(QUICKSTART)/shipped/sheet.png; what follows trains a smaller model from nothing."
	@echo "== 2/6 drawings of people, each with ten captions, as TFRecords"
	$(IN_VENV) -m dmgan_tf.prepare_data --flagfile=configs/quickstart_data.flags --output=$(QUICKSTART)/data
	@echo "== 3/6 the DAMSM: an image and a text encoder that know which caption fits which picture"
	$(IN_VENV) -m dmgan_tf.pretrain_damsm --flagfile=configs/quickstart_damsm.flags --precision=$(PRECISION) \
		--data=$(QUICKSTART)/data --run=$(QUICKSTART)/damsm --resume
	@echo "== 4/6 the DM-GAN"
	$(IN_VENV) -m dmgan_tf.train --flagfile=configs/quickstart_dmgan.flags --precision=$(PRECISION) \
		--data=$(QUICKSTART)/data --damsm=$(QUICKSTART)/damsm --run=$(QUICKSTART)/dmgan --resume
	@echo "== 5/6 samples of it"
	$(IN_VENV) -m dmgan_tf.sample --model=$(QUICKSTART)/dmgan $(CAPTIONS) \
		--num_samples=4 --seed=0 --output=$(QUICKSTART)/samples
	@echo "== 6/6 how much of what captions name it draws, in pairs that it never saw together"
	$(IN_VENV) -m dmgan_tf.evaluate --model=$(QUICKSTART)/dmgan --data=$(QUICKSTART)/data \
		--metrics=attributes --num_images=400 --output=$(QUICKSTART)/scores.json
	@echo "The sample sheet: $(QUICKSTART)/samples/sheet.png (the shipped model's: $(QUICKSTART)/shipped/sheet.png)"

web: $(VENV)/.installed  ## a page that draws in the browser, of the smaller shipped model: static files in runs/web
	$(IN_VENV) -m dmgan_tf.export --format=web --model=avatars_128 --output=runs/web
	@echo "Look at it: $(PYTHON) -m http.server --directory=runs/web"

docs: $(VENV)/.installed-docs  ## the pages of README and docs with the API reference, as a site in runs/docs
	NO_MKDOCS_2_WARNING=1 $(IN_VENV) -m mkdocs build --strict --quiet
	@echo "Look at it: $(PYTHON) -m http.server --directory=runs/docs"

test: lint  ## lint, formatting, and the fast tests
	$(IN_VENV) -m pytest $(IN_PARALLEL) $(PYTEST_FLAGS)

test-slow: $(VENV)/.installed-test $(VENV)/.installed-notebooks $(VENV)/.installed-docs  ## tests of processes, whole runs, backends, replicas, notebooks and documents
	$(IN_VENV) -m pytest -m slow $(IN_PARALLEL) $(PYTEST_FLAGS)

test-oldest: $(OLDEST)/.installed-oldest  ## the fast tests with the oldest versions that pyproject.toml admits
	$(OLDEST)/bin/python -m pytest $(IN_PARALLEL) $(PYTEST_FLAGS)

test-newest: | $(NEWEST)/bin/python  ## the fast tests with the newest versions, brought up to date each time
	@echo "installing the newest versions of what the tests need into $(NEWEST)"
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable ".[test]"
	$(NEWEST)/bin/python -m pytest $(IN_PARALLEL) $(PYTEST_FLAGS)

test-browser: $(VENV)/.installed-browser  ## the demo and the page of `make web` in a headless Chromium (apt install chromium)
	$(IN_VENV) -m pytest -m "slow or not slow" -rs tests/demo tests/web tests/browser $(PYTEST_FLAGS)

notebooks: $(VENV)/.installed-notebooks  ## run the notebooks and time them; NOTEBOOK_FLAGS=--keep renews kept outputs
	$(IN_VENV) tests/executed_notebooks.py $(NOTEBOOK_FLAGS)

dist: $(VENV)/.installed-dist  ## build the source distribution and the wheel, and check both
	rm -rf dist
	$(IN_VENV) -m build
	$(IN_VENV) -m twine check --strict dist/*

faults: $(VENV)/.installed-test  ## a thousand malformed inputs, each read by the command that reads its kind
	$(IN_VENV) tests/faults/malformed_inputs.py

mutations: $(VENV)/.installed-test  ## put mistakes into a copy of the package; the fast tests must catch each
	$(IN_VENV) tests/mutations.py

lint: $(VENV)/.installed-test $(VENV)/.buildifier  ## check style and formatting, change nothing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	@if [ -x $(BUILDIFIER) ]; then \
		echo "$(BUILDIFIER) --mode=check $(BAZEL_FILES)"; \
		$(BUILDIFIER) --mode=check $(BAZEL_FILES); \
	else \
		echo "skipped: the format of $(BAZEL_FILES) (buildifier needs npm; install it and remove $(VENV)/.buildifier)"; \
	fi

format: $(VENV)/.installed-test $(VENV)/.buildifier  ## format the Python and Bazel files
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	@if [ -x $(BUILDIFIER) ]; then $(BUILDIFIER) $(BAZEL_FILES); fi

build-file: $(VENV)/.installed-test  ## bring BUILD's srcs and deps in line with the files and imports
	$(IN_VENV) tests/test_build_file.py --fix
	@$(MAKE) --no-print-directory format

lock: $(VENV)/.installed-test  ## write the installed versions to requirements_lock.txt
	$(IN_VENV) -m pip freeze --exclude-editable > requirements_lock.txt

clean:  ## remove the environment and caches; keeps runs/
	rm -rf $(VENV) .venv-oldest-* .venv-newest-* dist .pytest_cache .ruff_cache .hypothesis
	find dmgan_tf tests benchmarks -name __pycache__ -type d -exec rm -rf {} +

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: expected Python 3.11 or newer as PYTHON=$(PYTHON), found" \
			"$$($(PYTHON) --version 2>&1 || true). Try: make PYTHON=python3.12" >&2; exit 1; }
	@echo "making a virtual environment in $*"
	@$(PYTHON) -m venv $* || { \
		echo "error: '$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv" >&2; \
		rm -rf $*; exit 1; }

$(VENV)/.installed: pyproject.toml | $(IN_VENV)
	@echo "installing dmgan_tf and what it needs (TensorFlow is the large one) into $(VENV)"
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-avatars: pyproject.toml | $(IN_VENV)
	@echo "installing dmgan_tf, what it needs (TensorFlow is the large one), and what draws avatars into $(VENV)"
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --editable ".[avatars]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-test: pyproject.toml | $(IN_VENV)
	@echo "installing dmgan_tf, what it needs, and the test tools into $(VENV)"
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@ $(VENV)/.installed

# pip cannot choose the lowest versions; uv can, also of the test tools.
$(OLDEST)/.installed-oldest: pyproject.toml | $(OLDEST)/bin/python
	@echo "installing the oldest versions of what the tests need into $(OLDEST)"
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable ".[test]"
	@touch $@

$(VENV)/.installed-dist: | $(IN_VENV)
	@echo "installing build and twine into $(VENV)"
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check build twine
	@touch $@

$(VENV)/.installed-browser: $(VENV)/.installed-test
	@echo "installing Gradio and Playwright into $(VENV); they bring an older Pillow than the lock file names"
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --editable ".[test,browser]"
	@touch $@

$(VENV)/.installed-notebooks: pyproject.toml | $(IN_VENV)
	@echo "installing dmgan_tf and what runs its notebooks into $(VENV)"
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --editable ".[avatars,figures,lite0,notebooks]"
	@touch $@

$(VENV)/.installed-docs: pyproject.toml | $(IN_VENV)
	@echo "installing MkDocs, its theme and what reads docstrings into $(VENV)"
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@

# Only formatting needs npm, so its absence, or a registry that does not answer, stops nothing.
$(VENV)/.buildifier: | $(IN_VENV)
	@if command -v npm >/dev/null; then \
		echo "fetching buildifier $(BUILDIFIER_VERSION) from npm"; \
		npm install --silent --no-save --no-audit --no-fund --prefix $(VENV)/node \
			@bazel/buildifier@$(BUILDIFIER_VERSION) </dev/null || echo "npm could not fetch it"; \
	fi
	@touch $@

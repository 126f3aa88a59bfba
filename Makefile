# make book    build the book into _build/html (the first time installs all it needs)
# make serve   look at it in a browser
# make pdf     print the book into _build/pdf; the pages then offer it (needs Chromium)
# make check   build, then check the style, the module and the executed chapters
# make test    build, then run every test
# make pyodide fetch the browser's Python into $(PYODIDE), for tests of live code, or
#              to be served with the site: make book BOOK_PYODIDE=$(PYODIDE)
# make soak    hold the exact posteriors to dense integrals on 10,000 problems
# make bench   say where the build's time goes, and time the exact posteriors
# make lock    compile the pinned sets from pyproject.toml
# make clean   forget everything that was built; .venv stays

.POSIX:
.PHONY: book serve pdf check test pyodide soak bench lock clean
.DEFAULT_GOAL := book

BIN = .venv/bin
PORT = 8000
PYODIDE = _build/.cache/pyodide
# Quiet where there is nobody to watch.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

book: .venv/installed
	$(BIN)/jupyter-book build . -W --keep-going -n -q
	@echo "The book is at $$(pwd)/_build/html/index.html"

serve: book
	@echo "Serving on http://127.0.0.1:$(PORT) until Ctrl-C"
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

pdf: book .venv/test-installed
	PYTHONPATH=book $(BIN)/python -m _sphinx.downloads.chromium
	$(BIN)/jupyter-book build . -W --keep-going -n -q \
		--builder custom --custom-builder print
	PYTHONPATH=book $(BIN)/python -m _sphinx.downloads.pdf
	$(BIN)/jupyter-book build . -W --keep-going -n -q

# Files of tests run side by side; tests/conftest.py says how many, and in which order.
PYTEST = $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder \
	--durations=25

check: book .venv/test-installed
	$(PYTEST) -m "not slow" tests/unit tests/book

test: book .venv/test-installed
	$(BIN)/python tests/browsers.py
	$(PYTEST)

pyodide: .venv/installed
	$(BIN)/python book/_sphinx/live/pyodide_lock.py fetch $(PYODIDE)

soak: .venv/test-installed
	$(BIN)/python tools/soak.py

bench: .venv/test-installed
	$(BIN)/python tools/bench.py

.venv/python:
	@python=$$(.ci/find-python .venv/tools) && echo "Using $$python" && \
	"$$python" -m venv .venv && touch .venv/python

.venv/installed: .venv/python requirements.txt pyproject.toml
	@echo "Installing the pinned set into .venv: this takes a few minutes once."
	$(PIP) -r requirements.txt
	@touch .venv/installed

.venv/test-installed: .venv/installed tests/requirements.txt
	$(PIP) -r tests/requirements.txt
	@touch .venv/test-installed

# One universal file for every supported Python and platform, without the address of any
# index; and one with the tests' needs as well, which a reader does not install.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.12 --no-annotate \
	--no-emit-index-url --custom-compile-command "make lock"

lock: .venv/python
	$(PIP) uv
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) tests/requirements.in --output-file tests/requirements.txt

clean:
	rm -rf _build

# make book    build the book into _build/html (the first time installs all it needs)
# make serve   look at it in a browser
# make pdf     print the book into _build/pdf; the pages then offer it (needs Chromium)
# make test    build, then run every test
# make pyodide fetch the browser's Python into $(PYODIDE), for tests of live code, or
#              to be served with the site: make book BOOK_PYODIDE=$(PYODIDE)
# make bench   say where the build's time goes
# make soak    hold exact posteriors to another integration on 10,000 random problems
# make lock    compile the pinned sets from pyproject.toml
# make clean   forget everything that was built; .venv stays

.POSIX:
.PHONY: book serve pdf test pyodide bench soak lock clean
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
	PYTHONPATH=book $(BIN)/python -m _sphinx.downloads.pdf
	$(BIN)/jupyter-book build . -W --keep-going -n -q

test: book .venv/test-installed
	PYTHONPATH=book $(BIN)/python -m _sphinx.downloads.chromium
	$(BIN)/python -m pytest

pyodide: .venv/installed
	$(BIN)/python book/_sphinx/live/pyodide_lock.py fetch $(PYODIDE)

bench: .venv/test-installed
	$(BIN)/python tests/bench.py

soak: .venv/test-installed
	$(BIN)/python tests/soak.py

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

# One universal file for every supported Python and platform, without the address
# of any index; the tests' own needs apart, so that a reader does not install them.
COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.12 \
	--no-emit-index-url --no-annotate --no-header --quiet

lock: .venv/python
	$(PIP) uv
	{ echo "# Compiled from pyproject.toml by make lock. Python 3.12, 3.13 and 3.14."; \
	  $(COMPILE) --extra book; \
	  echo "# The book's own module. It says which Python it needs."; \
	  echo "-e ."; } > requirements.new
	{ echo "# What the tests need besides ../requirements.txt, by make lock."; \
	  $(COMPILE) --extra book --extra test | grep -vxFf requirements.new; } \
	  > tests/requirements.txt
	mv requirements.new requirements.txt

clean:
	rm -rf _build

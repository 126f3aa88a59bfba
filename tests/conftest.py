"""What tests of every kind share."""

from __future__ import annotations

import os
import sys

import pytest

# One thread a process, as in the kernels of the build: files of tests run side by side,
# and threads of several processes that wait for one core slow each other down a lot.
# The processes of pytest-xdist start after this, and import NumPy with it.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

#: The files that take longest, which begin first, so that no core waits for the last
#: of them at the end. Those that run chapters or start browsers of their own.
LONG = (
    "test_notebooks.py",
    "test_live_python.py",
    "test_other_engines.py",
    "test_printed_book.py",
    "test_pages.py",
    "test_explorables.py",
    "test_live_interface.py",
    "test_diagnostics.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers(config):
    """Three processes for two cores: tests in a browser wait a third of their time."""
    cores = yield
    return cores + cores // 2


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


@pytest.fixture
def displayed(tmp_path, monkeypatch):
    """An IPython shell, as cells have it: the list of what it has displayed."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    hooks = sys.displayhook, sys.excepthook
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(
        config=config, display_pub_class=CapturingDisplayPublisher
    )
    yield shell.display_pub.outputs
    InteractiveShell.clear_instance()
    sys.displayhook, sys.excepthook = hooks

"""What tests of every kind share."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book"))


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

"""How the kernels that run the chapters differ from a reader's own: in print only."""

from pathlib import Path

c = get_config()  # noqa: F821 (IPython provides it)

# startup.py says how a figure is drawn.
c.InlineBackend.figure_formats = set()
# Kernels side by side would wait for each other's history.
c.HistoryManager.enabled = False
# It would warn that kernel and build talk over this machine's loopback.
c.IPKernelApp.log_level = "ERROR"
c.InteractiveShellApp.exec_files = [str(Path(__file__).with_name("startup.py"))]

"""How the kernels that run the chapters differ from a reader's own: in print only."""

from pathlib import Path

c = get_config()  # noqa: F821 (IPython provides it)

# Figures as drawings: sharp at any size, and their colours can follow the page.
c.InlineBackend.figure_formats = {"svg"}
# Kernels side by side would wait for each other's history.
c.HistoryManager.enabled = False
# It would warn that kernel and build talk over this machine's loopback.
c.IPKernelApp.log_level = "ERROR"
c.InteractiveShellApp.exec_files = [str(Path(__file__).with_name("quiet.py"))]

"""Settings of the kernels that run the chapters, for results printed on a page."""

from pathlib import Path

c = get_config()  # noqa: F821 (IPython provides it)

# Figures as SVG alone, without a PNG beside it.
c.InlineBackend.figure_formats = {"svg"}
# Kernels side by side would wait for each other's history.
c.HistoryManager.enabled = False
# It would warn that kernel and build talk over this machine's loopback.
c.IPKernelApp.log_level = "ERROR"
c.InteractiveShellApp.exec_files = [str(Path(__file__).with_name("startup.py"))]

"""Run one notebook in a kernel of its own, as the book's build does."""

from __future__ import annotations

import os
from pathlib import Path
import re
import shutil
import time

from jupyter_cache.executors.utils import ExecutionResult
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

HERE = Path(__file__).parent
#: A cell that takes longer than this many seconds is stuck.
CELL_TIMEOUT = 900
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def environment(work: Path) -> dict[str, str]:
    """The environment of the kernels, with every cache they write below `work`.

    Nothing is written to the reader's home, which may be empty or read-only.
    """
    profile = work / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "kernel_profile").glob("*.py"):
        shutil.copyfile(file, profile / file.name)
    places = {
        "IPYTHONDIR": work / "ipython",
        "JUPYTER_CONFIG_DIR": work / "jupyter",
        "JUPYTER_DATA_DIR": work / "jupyter",
        "JUPYTER_RUNTIME_DIR": work / "jupyter" / "runtime",
        "MPLCONFIGDIR": work / "matplotlib",
    }
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    flags = [f for f in os.environ.get("PYTENSOR_FLAGS", "").split(",") if f]
    if not any(flag.startswith("base_compiledir") for flag in flags):
        flags.append(f"base_compiledir={work / 'pytensor'}")
    return {
        **os.environ,
        **{name: str(place) for name, place in places.items()},
        "PYTENSOR_FLAGS": ",".join(flags),
        # One thread a kernel: chapters run side by side instead.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
    }


def run(notebook, cwd: Path, env: dict[str, str], **hooks) -> ExecutionResult:
    """Execute a notebook in place; `hooks` are nbclient's ``on_cell_…``."""
    # With no folder to look in, it knows one kernel, that of the Python which builds
    # the book. A kernel in the reader's home could have other packages.
    known = KernelSpecManager(kernel_dirs=[])
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=known),
        resources={"metadata": {"path": str(cwd)}},
        timeout=CELL_TIMEOUT,
        # For make bench: what each cell took stays in the cache.
        record_timing=True,
        **hooks,
    )
    began, error = time.monotonic(), None
    try:
        client.execute(env=env, cleanup_kc=True)
    except (CellExecutionError, CellTimeoutError) as raised:
        error = raised
    return ExecutionResult(notebook, str(cwd), time.monotonic() - began, error)


def failure(notebook) -> str:
    """Where a notebook stopped: the cell, its source and its traceback."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                source = "\n".join("    " + line for line in cell.source.splitlines())
                trace = _ANSI.sub("", "\n".join(output.traceback))
                return f"code cell {number} of {len(code)}:\n\n{source}\n\n{trace}"
    return "no cell recorded an error: the kernel died or a cell never returned"

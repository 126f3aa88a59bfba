"""Make the module's wheel for the site, with its data and the exercises' answers."""

from __future__ import annotations

import json
from pathlib import Path
import shutil
import subprocess
import sys

#: What a wheel is made of, seen from the top of the repository.
PARTS = ("pyproject.toml", "README.md", "LICENSE", ".ci/backend.py", "code", "data")
#: The answers, beside the tables: both end up in ``pooling/_data``.
ANSWERS = "data/exercises.json"


def build(root: Path, answers: dict, work: Path) -> Path:
    """The wheel, in a folder `work` of its own.

    It is made from a copy, into which the answers go: they are results of the build,
    and no part of the repository.
    """
    shutil.rmtree(work, ignore_errors=True)
    copy = work / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        source, target = root / part, copy / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copyfile(source, target)
    text = json.dumps(answers, indent=1, ensure_ascii=False)
    (copy / ANSWERS).write_text(text + "\n", encoding="utf-8")
    program = (
        "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(work.resolve())],
        cwd=copy,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the wheel could not be made:\n{done.stderr}")
    (wheel,) = work.glob("*.whl")
    return wheel

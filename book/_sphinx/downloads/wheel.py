"""Make the module's wheel for the site, with its data and the exercises' answers."""

from __future__ import annotations

from importlib.metadata import version
import json
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory

from _sphinx.executing import chapter_cache
from _sphinx.files import digest, is_made_of

#: What a wheel is made of, seen from the top of the repository.
PARTS = ("pyproject.toml", "README.md", "LICENSE", ".ci/backend.py", "code", "data")
#: The answers, beside the tables: both end up in ``pooling/_data``.
ANSWERS = "data/exercises.json"
NAME = f"borrowing_strength-{version('borrowing-strength')}-py3-none-any.whl"


def build(root: Path, answers: dict, folder: Path) -> None:
    """Write the wheel into a folder, unless the one there is made of the same parts.

    The wheel is made from a copy, into which the answers go: they are results of the
    build, and no part of the repository.
    """
    content = {
        file.relative_to(root).as_posix(): file.read_bytes()
        for part in PARTS
        for file in [root / part, *(root / part).rglob("*")]
        if file.is_file() and file.suffix != ".pyc"
    }
    text = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
    content[ANSWERS] = text.encode()
    made_of = digest(content)
    record = folder.parent.parent / chapter_cache.FOLDER / "wheel.digest"
    if is_made_of(folder / NAME, record, made_of):
        return
    with TemporaryDirectory() as copy:
        for name, data in content.items():
            file = Path(copy, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        program = "import hatchling.build as b, sys; b.build_wheel(sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder.resolve())],
            cwd=copy,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"the wheel could not be made:\n{done.stderr}")
    record.write_text(made_of)

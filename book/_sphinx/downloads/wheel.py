"""Make the module's wheel for the site, with its data and the exercises' answers."""

from __future__ import annotations

from importlib.metadata import version
import json
from pathlib import Path
from tempfile import TemporaryDirectory
import tomllib

from hatchling.builders.wheel import WheelBuilder

from _sphinx.requirements import PROJECT

NAME = f"{PROJECT.replace('-', '_')}-{version(PROJECT)}-py3-none-any.whl"
#: In the wheel, beside the tables: results of the build, no part of the repository.
ANSWERS = "pooling/_data/exercises.json"


def build(root: Path, answers: dict, folder: Path) -> None:
    """Write the wheel into a folder; the same parts give the same bytes."""
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    text = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
    with TemporaryDirectory() as place:
        file = Path(place, "answers.json")
        file.write_text(text, encoding="utf-8")
        wheel = config["tool"]["hatch"]["build"]["targets"]["wheel"]
        wheel["force-include"][str(file)] = ANSWERS
        builder = WheelBuilder(str(root), config=config)
        list(builder.build(directory=str(folder), versions=["standard"]))

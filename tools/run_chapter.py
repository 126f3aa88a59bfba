"""Run one chapter alone, and show what its cells print, check and glue.

    python tools/run_chapter.py book/pooling/radon.md --figures figures

Figures are written as PNG, to be looked at. Nothing is cached.
"""

import argparse
import base64
from pathlib import Path
import sys
import time

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("tests", "book")]

from _sphinx.executing import kernels  # noqa: E402
import chapters  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapter", type=Path)
    parser.add_argument("--figures", type=Path, default=ROOT / "_build" / "figures")
    arguments = parser.parse_args()
    chapter = arguments.chapter.resolve()
    figures = arguments.figures / chapter.stem
    figures.mkdir(parents=True, exist_ok=True)

    name = chapter.relative_to(ROOT).with_suffix("").as_posix()
    notebook = chapters.read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # A drawing cannot be looked at with every viewer: ask for pixels as well.
    code[0].source = (
        "get_ipython().run_line_magic('config', "
        "\"InlineBackend.figure_formats = ['png']\")\n" + code[0].source
    )
    clock, seconds = {}, {}
    env = kernels.environment(ROOT / "_build" / ".cache")
    result = kernels.run(
        notebook,
        chapter.parent,
        env,
        on_cell_execute=lambda cell, cell_index: clock.update(
            {cell_index: time.monotonic()}
        ),
        on_cell_executed=lambda cell, cell_index, execute_reply: seconds.update(
            {cell_index: time.monotonic() - clock[cell_index]}
        ),
    )
    pictures = 0
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        first = cell.source.strip().splitlines()[0] if cell.source.strip() else ""
        print(f"── cell {index}  {seconds.get(index, float('nan')):5.1f} s  {first}")
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                mark = "!! stderr: " if output.name == "stderr" else ""
                print(mark + output.text)
            elif output.output_type == "error":
                continue
            elif "image/png" in output.data:
                pictures += 1
                file = figures / f"{pictures:02d}.png"
                file.write_bytes(base64.b64decode(output.data["image/png"]))
                print(f"   figure {file}")
            else:
                for mime, data in output.data.items():
                    if "glue" in mime:
                        print(f"   glue {data['key']} = {data['text']}  ({data})")
                    elif mime == "text/plain":
                        print(data)
    print(f"── {result.time:.1f} s in all")
    if result.err is not None:
        print(f"FAILED in {kernels.failure(notebook)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

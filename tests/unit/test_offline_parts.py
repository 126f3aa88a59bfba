"""What makes the book work without a network: one script a figure, one archive."""

import zipfile

from py_mini_racer import MiniRacer
import pytest

from _sphinx.content import explorable
from _sphinx.content.javascript_bundle import bundle
from _sphinx.downloads import offline_archive


def run(script: str, then: str):
    with MiniRacer() as engine:
        engine.eval(script)
        return engine.eval(then)


@pytest.fixture
def modules(tmp_path):
    def write(**texts: str):
        for name, text in texts.items():
            (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
        return tmp_path / f"{next(iter(texts))}.js"

    return write


def test_modules_become_one_script_that_keeps_their_names_apart(modules):
    entry = modules(
        a='import { next,\n  SIZE as other } from "./b.js";\nconst SIZE = 2;\n'
        "globalThis.found = next(SIZE) * other;\n",
        b='import { one } from "./c.js";\nexport const SIZE = 10;\n'
        "export function next(x) { return x + one(); }\n",
        c="const SIZE = 1;\nexport function one() { return SIZE; }\n",
    )
    assert run(bundle(entry), "found + ':' + typeof next") == "30:undefined"


def test_two_scripts_of_one_page_share_a_module(modules):
    """As modules do: what counts in it goes on counting."""
    count = "let n = 0;\nexport const count = () => ++n;\n"
    use = 'import { count } from "./count.js";\nglobalThis.n = count();\n'
    first = bundle(modules(first=use, count=count))
    second = bundle(modules(second=use))
    assert run(first + second, "n") == 2


@pytest.mark.parametrize(
    "text",
    [
        'import * as all from "./b.js";',
        'import "./b.js";',
        "export default 3;",
        "export { a };",
        'import b from "./b.js";',
        'import b, { c } from "./b.js";',
        'import { b } from "b";',
        'export * from "./b.js";',
        "export default function f() {}",
        "export let b = 1;",
        "export const { b } = {};",
        'const b = await import("./b.js");',
        "const here = import.meta.url;",
    ],
)
def test_a_form_that_is_not_known_is_refused(modules, text):
    with pytest.raises(ValueError, match="a.js: "):
        bundle(modules(a=f"const a = 1;\n{text}\n", b=""))


def test_a_module_that_cannot_be_parsed_is_refused(modules):
    with pytest.raises(ValueError, match="a.js is not valid JavaScript"):
        bundle(modules(a="const a = ;\n"))


def test_a_comment_or_a_string_about_imports_is_no_import(modules):
    text = '// import "./b.js";\nglobalThis.found = "import.meta, export default 3";\n'
    assert run(bundle(modules(a=text)), "found") == "import.meta, export default 3"


def test_a_circle_is_refused(modules):
    entry = modules(
        a='import { b } from "./b.js";\n', b='import { a } from "./a.js";\n'
    )
    with pytest.raises(ValueError, match="a.js imports itself"):
        bundle(entry)


@pytest.mark.parametrize("element", explorable.names())
def test_every_explorable_becomes_a_script_that_runs(element):
    """As far as there is no page: it defines its element."""
    page = (
        "var defined = ''; class HTMLElement {}\n"
        "const customElements = { define: (name) => { defined = name; } };\n"
    )
    script = bundle(explorable.MODULES / f"{element}.js")
    assert run(page + script, "defined") == element


def test_the_archive_has_the_pages_in_one_folder_and_not_itself(tmp_path):
    for name in (
        "index.html",
        "a/b.html",
        offline_archive.ARCHIVE,
        ".buildinfo",
        "live/pyodide/x.wasm",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    archive = tmp_path / offline_archive.ARCHIVE
    offline_archive.pack(tmp_path, archive)
    first = archive.read_bytes()
    with zipfile.ZipFile(archive) as made:
        assert made.namelist() == [
            "borrowing-strength/a/b.html", "borrowing-strength/index.html"
        ]
        assert made.read("borrowing-strength/a/b.html") == b"a/b.html"
    (tmp_path / "index.html").touch()
    offline_archive.pack(tmp_path, archive)
    assert archive.read_bytes() == first

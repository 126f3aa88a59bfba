"""The chapters' code in a browser's own Python, and all that can go wrong with it."""

from __future__ import annotations

import json
import os
import re
from types import SimpleNamespace

import numpy as np
from playwright.sync_api import Error as PlaywrightError
import pytest

from axe import violations
import live_site
from pooling import datasets, exact
from visits import WINDOWS

CHAPTERS = [
    "why-hierarchy/what-is-a-hierarchical-prior",
    "pooling/radon",
    "why-hierarchy/eighteen-players",
    "pooling/slopes",
    "why-hierarchy/students-in-schools",
    "pooling/how-many-groups",
    "pooling/group-predictors",
    "posterior/funnel",
    "posterior/mode-or-mean",
    "open-questions/three-priors",
    "open-questions/fat-tails",
    "pooling/counts",
    "pooling/crossed-and-nested",
]
#: All of them with LIVE_CHAPTERS=all, which takes half an hour; else the first three.
RUN_LIVE = CHAPTERS if os.environ.get("LIVE_CHAPTERS") == "all" else CHAPTERS[:3]
EIGHT = "book/why-hierarchy/what-is-a-hierarchical-prior.html"
MINUTES = 60_000  # ms


@pytest.fixture(scope="module")
def live(site):
    """The site's address and its CDN's stand-in."""
    folder = live_site.pyodide_folder()
    if folder is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(live_site.HOW)
    with live_site.served(folder) as addresses:
        yield addresses


START = """async () => {
    const { Runtime } = await import("/live/runtime.js");
    globalThis.runtime ??= new Runtime("/live/");
    try { await runtime.start(); return null; }
    catch (error) { return error.message; }
}"""
#: What is wrong with the CDN, and a part of what the page then says.
TROUBLES = {
    "missing": "answered 404",
    "wrong": "hash is wrong",
    "cut off": "cut off",
}


@pytest.fixture(scope="module")
def first_start(browser, live):
    """A browser in which a reader has started Python for the first time.

    At first the CDN fails, in every way. Then the reader runs a cell. The browser keeps
    what it has downloaded and an image of Python's memory, for all tests of this file.
    """
    address, cdn = live
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(4 * MINUTES)
    page.goto(f"{address}/{EIGHT}")
    told = {}
    for cdn.trouble in TROUBLES:
        told[cdn.trouble] = page.evaluate(START), page.evaluate("runtime.state")
    cdn.trouble = None
    press(page, "Run cell 1")
    offered = agree(page)
    ran = page.locator(".live-heard", has_text="Cell 1 has run")
    ran.wait_for(state="attached")
    page.wait_for_function(HAS_IMAGE)
    page.close()
    yield SimpleNamespace(context=context, told=told, offered=offered)
    context.close()


@pytest.fixture
def kept(first_start):
    """The browser that has started Python once."""
    return first_start.context


@pytest.fixture
def visit(browser, kept, live):
    """Open a page of the site; nothing may ask for anything elsewhere."""
    address, cdn = live
    opened = []

    def visit(path, fresh=False, window="wide", before=None):
        width, height = WINDOWS[window]
        context = browser.new_context() if fresh else kept
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(4 * MINUTES)
        outside = []
        page.on(
            "request",
            lambda request: request.url.startswith(
                (address, cdn.url, "data:", "blob:")
            ) or outside.append(request.url),
        )
        if before:
            page.add_init_script(before)
        page.goto(f"{address}/{path}", wait_until="load")
        opened.append((page, context if fresh else None, outside))
        return page

    yield visit
    for page, context, outside in opened:
        page.close()
        if context:
            context.close()
        assert not outside


@pytest.mark.parametrize("chapter", RUN_LIVE)
def test_every_cell_of_a_chapter_runs(visit, chapter):
    page = visit(f"book/{chapter}.html")
    cells = page.evaluate(live_site.SOURCES)
    assert len(cells) > 10
    answer = page.evaluate(live_site.RUN, {"cells": cells})
    errors = [r["error"]["traceback"] for r in answer["results"] if r["error"]]
    assert not errors
    printed = json.dumps(answer["results"], ensure_ascii=False)
    # Every chapter fits something, and says how sound the fit is.
    assert answer["thinned"] and "R-hat at most" in printed
    assert all(t["did"]["draws"] <= 500 and t["did"]["chains"] == t["asked"]["chains"]
               for t in answer["thinned"])
    assert "image/svg+xml" in printed and "text/html" in printed
    streams = [
        output for result in answer["results"] for output in result["outputs"]
        if output["type"] == "stream"
    ]
    assert not [s["text"] for s in streams if s["name"] == "stderr"]
    # Fewer draws may be too few for the limits of R-hat, but no chain is stuck.
    lines = [line for s in streams for line in s["text"].splitlines()]
    unsound = [line for line in lines if line.startswith("✗")]
    assert not [line for line in unsound if "treedepth" in line]


MODEL = """
import pymc as pm
from pooling import check, datasets

schools = datasets.load_eight_schools()
with pm.Model(coords={"school": schools["school"]}):
    mu = pm.Normal("mu", 0, 20)
    tau = pm.HalfNormal("tau", 10)
    z = pm.Normal("z", dims="school")
    theta = pm.Deterministic("theta", mu + tau * z, dims="school")
    pm.Normal("y", theta, schools["se"], observed=schools["effect"], dims="school")
    idata = pm.sample(chains=4, target_accept=0.95, random_seed=8)
check(idata)
"""
SUMMARY = """
import json
import os
import re
import arviz as az

table = az.summary(idata, var_names=["mu", "tau", "theta"], round_to="none")
print(json.dumps(table[["mean", "mcse_mean", "sd", "mcse_sd"]].T.to_dict()))
"""


def test_all_draws_agree_with_the_exact_posterior(visit):
    page = visit(EIGHT)
    answer = page.evaluate(live_site.RUN, {"cells": [MODEL, SUMMARY], "full": True})
    assert not answer["thinned"]
    fitted, told = answer["results"]
    assert fitted["outputs"][0]["text"].startswith("✓ idata: 4 chains × 1,000 draws")
    table = json.loads(told["outputs"][0]["text"])
    schools = datasets.load_eight_schools()
    from scipy import stats

    posterior = exact.normal_hierarchy(
        schools["effect"], schools["se"],
        mu_prior=stats.norm(0, 20), tau_prior=stats.halfnorm(scale=10),
    )
    means = np.concatenate([
        [posterior.mean("mu"), posterior.mean("tau")], posterior.mean("theta")
    ])
    sds = np.concatenate([
        [posterior.sd("mu"), posterior.sd("tau")], posterior.sd("theta")
    ])
    for row, mean, sd in zip(table.values(), means, sds, strict=True):
        assert abs(row["mean"] - mean) <= 4 * row["mcse_mean"]
        assert abs(row["sd"] - sd) <= 4 * row["mcse_sd"]


LONG_INTEGERS = """
import numpy as np
from pooling import exact, simulate
from scipy import stats

size = np.array([12, 3, 7, 9], dtype="int64")
studies = simulate.clustered(
    4, size, effect=1, treated=np.array([1, 0, 1, 0], dtype="int64") == 1,
    tau=1, sigma=1, replications=3, rng=np.random.default_rng(1),
)
school = studies["student_school"].to_numpy().astype("int64")
half = stats.halfnorm()
exact.varying_intercepts(
    studies["y"].to_numpy()[0], school, tau_prior=half, sigma_prior=half
).mean("a")
count = np.array([1, 0, 4, 2], dtype="int64")
exact.beta_binomial(count, size).mean("theta")
exact.gamma_poisson(
    count, size, alpha_prior=stats.expon(), beta_prior=stats.gamma(2, scale=0.5)
).mean("theta")
"""


def test_integers_of_64_bits_are_taken_where_a_pointer_has_32(visit):
    page = visit(EIGHT)
    (result,) = page.evaluate(live_site.RUN, {"cells": [LONG_INTEGERS]})["results"]
    assert not result["error"], result["error"]["traceback"]


def test_values_are_shown_as_a_notebook_shows_them(visit):
    page = visit(EIGHT)
    cells = [
        "x = 2\nx + 1",
        "x;",
        "import pandas as pd\npd.DataFrame({'a': [1]})",
        "import matplotlib.pyplot as plt, pooling\n"
        "plt.style.use('pooling.book'); plt.plot([1, 2]);",
        "print('out'); import sys; print('err', file=sys.stderr)",
        "display(x, 'two')",
        "None",
    ]
    results = page.evaluate(live_site.RUN, {"cells": cells})["results"]
    assert [[list(o.get("data", {"stream": 0})) for o in r["outputs"]]
            for r in results] == [
        [["text/plain"]], [], [["text/plain", "text/html"]], [["image/svg+xml"]],
        [["stream"], ["stream"]], [["text/plain"]] * 2, [],
    ]
    assert results[0]["outputs"][0]["data"]["text/plain"] == "3"
    assert "prefers-color-scheme" in results[3]["outputs"][0]["data"]["image/svg+xml"]


def test_an_error_is_told_by_the_readers_code_alone(visit):
    page = visit(EIGHT)
    cells = [
        "def f(x):\n    return 1 / x",
        "y = 1\nf(0)",
        "import numpy as np, pandas as pd\npd.DataFrame({'a': [1]})['b']",
        "if True print(1)",
        "y + 1",
        "import nonsense",
        "[np.empty((12_000, 20_000)) for _ in range(3)]",
    ]
    results = page.evaluate(live_site.RUN, {"cells": cells})["results"]
    zero, missing, syntax, after, module, memory = (r["error"] for r in results[1:])
    assert zero["traceback"].splitlines() == [
        "Traceback (most recent call last):",
        '  File "cell 2", line 2, in <module>', "    f(0)", "    ~^^^",
        '  File "cell 1", line 2, in f', "    return 1 / x", "           ~~^~~",
        "ZeroDivisionError: division by zero",
    ]
    assert missing["name"] == "KeyError" and "site-packages" not in str(missing)
    assert syntax["name"] == "SyntaxError" and "if True print(1)" in syntax["traceback"]
    assert after is None and results[4]["outputs"][0]["data"]["text/plain"] == "2"
    assert module["name"] == "ModuleNotFoundError"
    assert memory["name"].endswith("MemoryError")


def test_a_cdn_that_fails_is_told_and_can_be_tried_again(first_start):
    for trouble, words in TROUBLES.items():
        message, state = first_start.told[trouble]
        assert words in message and state == "off", trouble


def test_a_second_page_downloads_nothing(visit, live, first_start):
    _, cdn = live
    asked = len(cdn.asked)
    assert cdn.bytes > 20e6
    page = visit("book/why-hierarchy/students-in-schools.html")
    answer = page.evaluate(live_site.RUN, {"cells": ["import pymc"]})
    size = answer["size"]
    assert size["bytes"] == 0 and size["cached"]
    assert len(cdn.asked) == asked
    assert not answer["results"][0]["error"]


def test_the_size_of_the_first_download_is_told_beforehand(first_start):
    (megabytes,) = re.findall(r"Download (\d+) MB", first_start.offered)
    assert 20 < int(megabytes) < 100


STATE = """
import random
import sys
import numpy as np
print(hash("a text"), "pymc" in sys.modules)
print(random.random(), np.random.random(), np.random.default_rng().random())
"""
HAS_IMAGE = """async () => {
    const cache = await caches.open("borrowing-strength-python");
    return (await cache.keys()).some(request => request.url.includes("/memory-"));
}"""
IMAGE_SIZE = """async () => {
    const cache = await caches.open("borrowing-strength-python");
    for (const request of await cache.keys()) {
        if (!request.url.includes("/memory-")) continue;
        return (await (await cache.match(request)).blob()).size;
    }
}"""
SPOIL_IMAGE = """async () => {
    const cache = await caches.open("borrowing-strength-python");
    for (const request of await cache.keys()) {
        if (!request.url.includes("/memory-")) continue;
        const bytes = new Uint8Array(await (await cache.match(request)).arrayBuffer());
        await cache.put(request, new Response(bytes.subarray(0, 1000)));
    }
}"""


def state(page) -> tuple[str, str]:
    """What is the same in two starts from one memory, and what has to differ."""
    answer = page.evaluate(live_site.RUN, {"cells": [STATE]})
    [output] = answer["results"][0]["outputs"]
    return tuple(output["text"].splitlines())


def test_a_later_start_uses_the_kept_memory(visit):
    one, other = state(visit(EIGHT)), state(visit(EIGHT))
    # Python draws a new seed for the hashes of texts whenever it starts by itself.
    assert one[0] == other[0] and one[0].endswith("True")
    assert not set(one[1].split()) & set(other[1].split())


DAMAGED = """async () => {
    const { readImage } = await import("/live/pyodide.js");
    const cache = await caches.open("borrowing-strength-python");
    const keys = await cache.keys();
    const key = keys.find(request => request.url.includes("/memory-"));
    const bytes = new Uint8Array(await (await cache.match(key)).arrayBuffer());
    const read = (...part) => readImage(bytes.subarray(...part)) !== null;
    return [read(0), read(0, 0), read(0, 1000), read(0, bytes.length - 1), read(64)];
}"""


def test_a_kept_memory_that_is_damaged_is_found_out(visit):
    whole, *damaged = visit(EIGHT).evaluate(DAMAGED)
    assert whole and not any(damaged)


def test_no_memory_is_kept_while_a_file_is_open(visit):
    keep = """async streams => {
        const { memoryImage } = await import("/live/pyodide.js");
        memoryImage({ FS: { streams } });
    }"""
    streams = [None, {"fd": 2, "path": "/dev/stderr"}, {"fd": 3, "path": "/lib/a.zip"}]
    with pytest.raises(PlaywrightError, match="Files are open: /lib/a.zip"):
        visit(EIGHT).evaluate(keep, streams)


def test_a_kept_memory_that_is_damaged_is_replaced(visit):
    page = visit(EIGHT)
    whole = page.evaluate(IMAGE_SIZE)
    page.evaluate(SPOIL_IMAGE)
    damaged = page.evaluate(IMAGE_SIZE)
    assert damaged < whole
    answer = page.evaluate(live_site.RUN, {"cells": ["1 + 1"]})
    assert answer["results"][0]["outputs"][0]["data"]["text/plain"] == "2"
    # A whole one is kept in its place.
    page.wait_for_function(
        f"async damaged => await ({IMAGE_SIZE})() > damaged", arg=damaged
    )


def cell_with(page, words: str) -> int:
    """The number of the first cell whose code has these words, as the page counts."""
    cells = page.evaluate(live_site.SOURCES)
    return 1 + next(k for k, code in enumerate(cells) if words in code)


FORGET_CONSENT = "localStorage.removeItem('live:agreed')"


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def agree(page) -> str:
    """Agree to the download, where the page asks for it, and return what it offers."""
    page.get_by_text("Python can run here").wait_for()
    offer = page.locator(".live-choices button").first
    offered = offer.inner_text()
    offer.click()
    return offered


def test_without_a_network_the_page_says_so_and_stays(visit):
    page = visit(EIGHT, fresh=True)
    # The scripts of the cells come a little after the page.
    page.get_by_role("button", name="Run cell 1", exact=True).wait_for()
    page.evaluate("import('/live/runtime.js')")
    page.context.set_offline(True)
    press(page, "Run cell 1")
    alert = page.locator(".live-panel [role=alert]")
    alert.wait_for()
    assert "network" in alert.inner_text()
    assert page.locator("article .cell_output:not(.live-output)").first.is_visible()
    page.context.set_offline(False)
    press(page, "Try again to run cell 1")
    page.get_by_text("Python can run here").wait_for()


@pytest.mark.parametrize("gone", ["WebAssembly", "Worker", "DecompressionStream"])
def test_a_browser_that_cannot_is_told_why(visit, gone):
    page = visit(EIGHT, fresh=True, before=f"delete globalThis.{gone}")
    press(page, "Run cell 1")
    alert = page.locator(".live-panel [role=alert]")
    alert.wait_for()
    assert "browser" in alert.inner_text()
    assert page.locator("article .cell_output:not(.live-output)").first.is_visible()


def test_a_reader_stops_python_and_runs_again(visit):
    page = visit(EIGHT, before=FORGET_CONSENT)
    press(page, "Edit cell 1")
    page.locator(".cm-content").fill("while True:\n    print('again')")
    press(page, "Run cell 1")
    agree(page)
    page.get_by_text("again").first.wait_for()
    press(page, "Stop cell 1")
    page.get_by_text("Python has ended").first.wait_for()
    page.locator(".cm-content").fill("6 * 7")
    press(page, "Run cell 1")
    page.locator(".live-output").get_by_text("42").wait_for()


def test_a_reader_changes_the_prior_and_sees_the_posterior_change(visit):
    """With what a reader does alone, on a phone."""
    page = visit(EIGHT, window="phone", before=FORGET_CONSENT)
    fit = cell_with(page, "pm.sample(")
    press(page, f"Run cell {fit}")
    agree(page)
    page.get_by_role("button", name="cells above first").click()
    output = page.locator(".live-output").nth(fit - 1)
    output.get_by_text("R-hat at most").wait_for()
    assert "4 chains of 500 draws, where the book has 4 of" in output.inner_text()
    page.get_by_role("button", name=f"Run cell {fit} with all draws").wait_for()

    def tau() -> float:
        """Its posterior mean, out of the table that the next cell shows."""
        table = page.locator(".live-output").nth(fit)
        row = table.locator("tr", has=page.locator("th", has_text="tau"))
        heads = table.locator("thead th").all_inner_texts()
        return float(row.locator("th, td").nth(heads.index("mean")).inner_text())

    press(page, f"Run cell {fit + 1}")
    done = f"Cell {fit + 1} has run"
    page.locator(".live-heard", has_text=done).wait_for(state="attached")
    wide = tau()
    press(page, f"Edit cell {fit}")
    code = page.evaluate(live_site.SOURCES)[fit - 1].rstrip()
    narrow = code.replace('pm.HalfFlat("tau")', 'pm.HalfNormal("tau", 0.5)')
    assert narrow != code
    page.locator(".cm-content").fill(narrow)
    page.get_by_text(f"Out of date: cell {fit} changed").first.wait_for()
    press(page, f"Run cell {fit + 1}")
    page.get_by_role("button", name="Run the cell above first").click()
    page.locator(".live-heard", has_text=done).wait_for(state="attached")
    # The prior alone has a mean of 0.4, and the data hold it back no more.
    assert tau() < 1 < 4 < wide
    sideways = "document.documentElement.scrollWidth - innerWidth"
    for width, height in WINDOWS.values():
        page.set_viewport_size({"width": width, "height": height})
        assert violations(page, f".live-cell:has(#live-{fit})") == []
        assert page.evaluate(sideways) <= 0

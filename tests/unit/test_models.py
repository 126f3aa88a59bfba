"""The record of a model, its drawing, its notation, and its section."""

import ast
import doctest
import json
from types import SimpleNamespace

import nbformat
import numpy as np
import pymc as pm
import pytest

from _sphinx.content import mathematics, model_notation
from _sphinx.content import models as directive
from _sphinx.executing import records
import model_drawings
import pooling
from pooling import _records, models, plots

COORDS = {"county": ["Aitkin", "Anoka", "Becker"], "house": range(6)}
COUNTY = np.repeat([0, 1, 2], 2)


def one_mean():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        pm.Normal("y", mu, 1, observed=np.zeros(4))
    return model


def centered():
    with pm.Model(coords=COORDS) as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        alpha = pm.Normal("alpha", mu, tau, dims="county")
        beta = pm.Normal("beta", 0, 2)
        sigma = pm.HalfNormal("sigma", 1)
        pm.Normal("log_radon", alpha[COUNTY] + beta * np.arange(6), sigma,
                  observed=np.zeros(6), dims="house")
    return model


def noncentered():
    with pm.Model(coords=COORDS) as model:
        mu_a = pm.Normal("mu_a", 0, 2)
        tau_a = pm.HalfCauchy("tau_a", 5)
        mu_b = pm.Normal("mu_b", 0, 2)
        tau_b = pm.HalfCauchy("tau_b", 5)
        z_a = pm.Normal("z_a", 0, 1, dims="county")
        z_b = pm.Normal("z_b", 0, 1, dims="county")
        a = pm.Deterministic("a", mu_a + tau_a * z_a, dims="county")
        b = pm.Deterministic("b", mu_b + tau_b * z_b, dims="county")
        eps = pm.HalfNormal("eps", 1)
        pm.Normal("log_radon", a[COUNTY] + b[COUNTY], eps, observed=np.zeros(6))
    return model


def flat_with_data():
    with pm.Model(coords={"school": ["A", "B"]}) as model:
        sigma = pm.Data("sigma", [1.0, 2.0], dims="school")
        table = pm.Data("table", [3.0, 4.0], dims="school")
        mu = pm.Flat("mu")
        tau = pm.HalfFlat("tau")
        theta = pm.StudentT("theta", nu=4, mu=mu, sigma=tau, dims="school")
        pm.Normal("effect", theta, sigma, observed=table, dims="school")
    return model


def crossed():
    coords = {"plate": range(3), "sample": range(2), "reading": range(6)}
    with pm.Model(coords=coords) as model:
        tau_plate = pm.HalfNormal("tau_plate", 1)
        tau_sample = pm.HalfNormal("tau_sample", 1)
        plate = pm.Normal("a_plate", 0, tau_plate, dims="plate")
        sample = pm.Normal("a_sample", 0, tau_sample, dims="sample")
        mu = pm.Normal("mu", 20, 10)
        sigma = pm.HalfNormal("sigma", 1)
        pm.Normal("diameter", mu + plate[COUNTY] + sample[COUNTY % 2], sigma,
                  observed=np.zeros(6), dims="reading")
    return model


def crossed_and_nested():
    coords = {"department": range(2), "lecturer": range(3), "student": range(2)}
    with pm.Model(coords=coords) as model:
        m = pm.Normal("m", 3, 1)
        beta = pm.Normal("beta", 0, 1)
        tau = [pm.HalfNormal(f"tau_{k[0]}", 1) for k in coords]
        sigma = pm.HalfNormal("sigma", 1)
        z = pm.Normal("z", dims="department")
        level = pm.Deterministic("level", m + tau[0] * z, dims="department")
        theta = pm.Normal("theta", level[[0, 0, 1]], tau[1], dims="lecturer")
        s = pm.Normal("s", 0, tau[2], dims="student")
        mean = theta[COUNTY] + s[COUNTY % 2] + beta * np.arange(6)
        pm.Normal("rating", mean, sigma, observed=np.zeros(6))
    return model


MODELS = (
    one_mean, centered, noncentered, flat_with_data, crossed, crossed_and_nested
)


@pytest.fixture(params=MODELS, ids=lambda make: make.__name__)
def model(request):
    return request.param()


# The record


@pytest.mark.slow
def test_variables_have_kind_distribution_plate_and_parents():
    found = {one["name"]: one for one in models.variables(noncentered())}
    assert found["tau_a"] == {
        "name": "tau_a", "kind": "free", "distribution": "HalfCauchy", "plate": [],
        "parents": [],
    }
    assert found["a"]["kind"] == "deterministic" and found["a"]["distribution"] is None
    assert found["a"]["plate"] == [["county", 3]]
    assert set(found["a"]["parents"]) == {"mu_a", "tau_a", "z_a"}
    assert found["log_radon"]["kind"] == "observed"
    # The observed variable has no dims: its plate is known by its size alone.
    assert found["log_radon"]["plate"] == [[None, 6]]
    assert set(found["log_radon"]["parents"]) == {"a", "b", "eps"}


def test_data_is_a_variable_but_what_is_observed_is_not():
    found = {one["name"]: one for one in models.variables(flat_with_data())}
    assert set(found) == {"sigma", "mu", "tau", "theta", "effect"}
    assert found["sigma"]["kind"] == "data" and found["mu"]["distribution"] == "Flat"
    assert found["theta"]["distribution"] == "StudentT"
    assert set(found["effect"]["parents"]) == {"theta", "sigma"}


def test_parents_come_before_children(model):
    seen = set()
    for one in models.variables(model):
        assert set(one["parents"]) <= seen
        seen.add(one["name"])


def test_a_model_is_recorded(displayed):
    radon_model = centered()
    pooling.models.describe(
        radon_model, "Radon", data="radon", parameterisation="centered", fits="idata"
    )
    (output,) = displayed
    assert list(output["data"]) == [_records.MODEL]
    record = json.loads(json.dumps(output["data"][_records.MODEL]))
    assert record == {
        "name": "radon_model",
        "title": "Radon",
        "data": "radon",
        "parameterisation": "centered",
        "fits": ["idata"],
        "variables": models.variables(radon_model),
        "indexes": {"COUNTY": "house"},
    }


def test_a_table_has_the_dimension_of_its_length(displayed):
    with pm.Model(coords={"school": ["A", "B", "C"]}) as model:
        theta = pm.Normal("theta", 0, 1, dims="school")
        pm.Normal("y", theta[np.repeat([0, 1, 2], 2)], 1, observed=np.zeros(6))
    se, floor, other = np.ones(3), np.ones(6), np.ones(4)  # noqa: F841
    pooling.models.describe(model, "Three schools")
    record = displayed[0]["data"][_records.MODEL]
    found = record["indexes"]
    assert found["se"] == "school" and found["floor"] is None
    assert "other" not in found and "theta" not in found


def test_a_table_that_fits_two_dimensions_has_none(displayed):
    with pm.Model(coords={"school": ["A", "B"], "year": [1, 2]}) as model:
        pm.Normal("theta", 0, 1, dims="school")
        pm.Normal("phi", 0, 1, dims="year")
    se = np.ones(2)  # noqa: F841
    pooling.models.describe(model, "Two")
    assert "se" not in displayed[0]["data"][_records.MODEL]["indexes"]


def test_the_size_of_a_table_without_dims_is_known():
    with pm.Model() as model:
        x = pm.Data("x", np.zeros(6))
        pm.Normal("y", x, 1, observed=np.zeros(6))
    found = {one["name"]: one["plate"] for one in models.variables(model)}
    assert found == {"x": [[None, 6]], "y": [[None, 6]]}


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        ("title", {"title": " "}),
        ("parameterisation", {"title": "Radon", "parameterisation": "both"}),
    ],
)
def test_bad_arguments_are_named(argument, given):
    a_model = one_mean()
    with pytest.raises(ValueError, match=argument):
        models.describe(a_model, **given)


def test_a_model_without_a_name_or_a_variable_is_refused():
    with pytest.raises(ValueError, match="name must say"):
        models.describe(one_mean(), "Mean")
    with pytest.raises(ValueError, match="random variable"):
        models.variables(pm.Model())


def test_examples_run():
    assert doctest.testmod(models) == (0, doctest.testmod(models).attempted)
    assert doctest.testmod(models).attempted >= 8


# The drawing


def test_a_drawing_is_complete_and_nothing_is_drawn_over(model):
    assert not model_drawings.problems(models.variables(model))


def test_a_drawing_fits_on_a_page_and_is_light_and_dark(model):
    figure = models.draw(model)
    assert figure.get_size_inches()[0] < 6
    svg = plots.svg(figure)
    # Once as the light value of a variable, and nowhere else.
    assert "prefers-color-scheme:dark" in svg and svg.count(plots.COLORS["ink"]) == 1


def test_what_is_drawn_over_or_missing_is_found(monkeypatch):
    nodes = models.variables(centered())
    monkeypatch.setattr(models, "GAP", -0.5)
    found = "\n".join(model_drawings.problems(nodes))
    assert "nodes mu and tau overlap" in found
    assert "Normal overlaps HalfNormal" in found
    assert "from sigma to log_radon crosses beta" in found
    monkeypatch.undo()
    monkeypatch.setattr(models, "_text_width", lambda *_: 0.5)
    nodes[0]["distribution"] = "AnotherDistribution"
    found = "\n".join(model_drawings.problems(nodes))
    assert "AnotherDistribution leaves its node" in found


# The notation


def written(body: str) -> str:
    indented = "\n".join("    " + line for line in body.splitlines())
    (model,) = ast.parse(f"with pm.Model() as m:\n{indented}").body
    return model_notation.notation(model)


@pytest.mark.parametrize(
    ("code", "latex"),
    [
        ('mu = pm.Normal("mu", 0, 20)', r"\mu &\sim \mathrm{N}(0, 20)"),
        ('pm.HalfNormal("tau_alpha", 1)', r"\tau_{\alpha} &\sim \text{half-normal}(1)"),
        ('pm.Normal("mu_a", 0, 100**2)', r"\mu_{a} &\sim \mathrm{N}(0, 100^{2})"),
        ('pm.Flat("mu")', r"p(\mu) &\propto 1"),
        ('pm.HalfFlat("tau")', r"p(\tau) &\propto 1,\quad \tau > 0"),
        (
            'pm.StudentT("x", nu=nu, mu=0, sigma=s, dims="school")',
            r"x_{\text{school}} &\sim t_{\nu}(0, s)",
        ),
        (
            'z = pm.Normal("z", 0, 1, dims="school")\n'
            'pm.Deterministic("theta", mu + np.sqrt(V) * z, dims="school")',
            r"\theta_{\text{school}} &= \mu + \sqrt{V}\,z_{\text{school}}",
        ),
        (
            'pm.Normal("y", b_0[county_idx] * floor, 1, observed=radon)',
            r"y &\sim \mathrm{N}(b_{0,\text{county}[i]}\,\text{floor}, 1)",
        ),
        ("eta = (mu - (a + b)) * 2 / n", r"\eta &= (\mu - (a + b)) \cdot 2 / n"),
        (
            'pm.Binomial("y", n, pm.math.invlogit(eta))',
            r"y &\sim \operatorname{Binomial}(n, \operatorname{logit}^{-1}(\eta))",
        ),
        (
            'df = pm.Gamma("nu", 2, 0.1)\npm.StudentT("z", nu=df, mu=0)',
            r"z &\sim t_{\nu}(0, 1)",
        ),
        (
            'pm.ZeroSumNormal("z", dims="plate")',
            r"z_{\text{plate}} &\sim \operatorname{ZeroSumNormal}(1)",
        ),
        (
            'pm.Normal("level", mu + a[home], tau_b, dims="cask")',
            r"\text{level}_{\text{cask}} &\sim "
            r"\mathrm{N}(\mu + a_{\text{home}[\text{cask}]}, \tau_{b})",
        ),
        (
            'eta = a[plate] + b\npm.Poisson("y", pm.math.exp(eta))',
            r"y &\sim \operatorname{Poisson}(\exp(\eta_{i}))",
        ),
        ('pm.HalfCauchy("eps", 5)', r"\epsilon &\sim \text{half-Cauchy}(5)"),
        (
            'pm.Gamma("nu", alpha=2, beta=0.1)',
            r"\nu &\sim \operatorname{Gamma}(\alpha = 2, \beta = 0.1)",
        ),
        ('pm.Potential("p", -x)', r"\log p &\mathrel{+}= -x"),
        ('pm.Normal("y", x @ b_1, 1)', r"y &\sim \mathrm{N}(\texttt{x @ b\_1}, 1)"),
        (
            'pm.LKJCholeskyCov("L", n=2, eta=2, sd_dist=pm.HalfNormal.dist([5, 1]))',
            r"L &\sim \operatorname{LKJCholeskyCov}(n = 2, \eta = 2, "
            r"\text{sd dist} = \text{half-normal}([5, 1]))",
        ),
        (
            'pm.Normal("y", b[1] * size["n"], initval=2)',
            r"y &\sim \mathrm{N}(b_{1}\,n_{i})",
        ),
        (
            'pm.HalfCauchy("log_sd", 5)',
            r"\text{log sd} &\sim \text{half-Cauchy}(5)",
        ),
    ],
)
def test_code_becomes_a_formula_that_katex_renders(code, latex):
    found = written(code + "\nidata = pm.sample(chains=4)")
    assert found.splitlines()[-2] == latex
    assert "katex" in mathematics.render(found, True)


def test_a_formula_has_a_line_for_each_variable_and_none_for_a_fit():
    found = written(
        'mu = pm.Normal("mu", 0, 1)\npm.Normal("y", mu, 1, observed=y)\n'
        "idata = pm.sample()\nfits = [pm.find_MAP(start=s) for s in (1, 2)]"
    )
    assert found.count(r"\sim") == 2 and found.count(r"\\") == 1


def test_a_variable_has_one_name_in_code_and_formula():
    found = written(
        'by_period = pm.Normal("period_logit", 0, 1, dims="period")\n'
        "eta = by_period[period]"
    )
    assert r"\eta_{i} &= \text{period logit}_{\text{period}[i]}" in found


def test_a_table_stands_with_the_index_that_it_has():
    body = (
        'theta = pm.Normal("theta", mu, tau, dims="school")\n'
        'pm.Normal("y", theta + 2 * se, 1, dims="school", observed=y)\n'
        'pm.Normal("z", theta[school] * x, 1, observed=z)'
    )
    indented = "\n".join("    " + line for line in body.splitlines())
    (model,) = ast.parse(f"with pm.Model() as m:\n{indented}").body
    seen = {"name": "z", "kind": "observed", "plate": [[None, 6]]}
    found = model_notation.notation(model, [seen], {"se": "school", "x": None})
    assert r"\theta_{\text{school}} + 2\,\text{se}_{\text{school}}" in found
    assert r"z_{i} &\sim" in found and r"\theta_{\text{school}[i]}\,x_{i}" in found


# The directive


CODE = 'with pm.Model() as one:\n    mu = pm.Normal("mu", 0, 1)'


@pytest.fixture
def record():
    return {
        "name": "one", "title": "One mean, known sd", "data": "radon",
        "parameterisation": "centered", "fits": ["idata"],
        "variables": models.variables(centered()), "indexes": {},
    }


def chapter(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def test_the_code_of_a_model_is_found_by_its_name(record):
    notebook = chapter("import pymc as pm", f"x = 1\n{CODE}\n\nlast = 2")
    assert directive.definition(notebook, record) == CODE
    sampled = CODE + "\n    idata = pm.sample(\n        random_seed=1)"
    assert directive.definition(chapter(sampled), record) == CODE
    remarked = CODE + "\n    # One point.\n    found = pm.find_MAP()"
    assert directive.definition(chapter(remarked), record) == CODE
    with pytest.raises(LookupError, match="as other"):
        directive.definition(notebook, record | {"name": "other"})


def test_a_section_says_what_a_record_holds(record):
    fits = {"idata": {"expect": ["rhat"], "failures": ["rhat", "ess"]}}
    text = directive.body("book/pooling/radon", record, CODE, fits)
    for part in (
        "{doc}`/book/pooling/radon`", "{ref}`data-radon`", "centered",
        "`idata` (fails as it should: rhat, ess)", CODE, r"\mu &\sim \mathrm{N}(0, 1)",
    ):
        assert part in text
    with pytest.raises(LookupError, match="idata"):
        directive.body("book/pooling/radon", record, CODE, {})


def test_a_record_names_its_section(record):
    assert directive.label(record) == "model-one-mean-known-sd"
    table = directive.overview([("book/pooling/radon", record)])
    assert "{ref}`model-one-mean-known-sd`" in table.splitlines()[-1]


def test_a_drawing_is_told_in_words(record):
    said = directive.alternative(record)
    for one in record["variables"]:
        assert f"{one['name']}: {one['distribution']}" in said
        for parent in one["parents"]:
            assert parent in said.split(f"{one['name']}: ")[1].split(". ")[0]
    assert "one for each county" in said and "observed" in said


def test_a_drawing_is_written_where_the_site_finds_it(record, tmp_path):
    app = SimpleNamespace(outdir=tmp_path / "html")
    config = SimpleNamespace(nb_execution_cache_path="cache/one")
    env = SimpleNamespace(app=app, srcdir=tmp_path, config=config)
    address = directive.Models.drawing(SimpleNamespace(env=env), record)
    assert address == "/models/model-one-mean-known-sd.svg"
    file = tmp_path / address[1:]
    assert "<svg" in file.read_text(encoding="utf-8")
    # It is drawn again when the module has changed, and not before.
    file.write_text("kept", encoding="utf-8")
    directive.Models.drawing(SimpleNamespace(env=env), record)
    assert file.read_text(encoding="utf-8") == "kept"
    config.nb_execution_cache_path = "cache/other"
    directive.Models.drawing(SimpleNamespace(env=env), record)
    assert "<svg" in file.read_text(encoding="utf-8")


def test_records_are_read_from_an_executed_chapter(record):
    notebook = chapter("1")
    data = {_records.MODEL: record}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data=data)]
    assert records.models(notebook) == [record]

"""The tables say what their cards, their docstrings and their sources say."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
import re
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml

from pooling import datasets

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
NAMES = [name.removeprefix("load_") for name in datasets.__all__]
CARD = {
    "title": str,
    "summary": str,
    "source": str,
    "citation": list,
    "reference": str,
    "licence": str,
    "rebuilt": str,
    "notes": list,
    "columns": list,
    "rows": int,
    "missing": int,
    "sha256": str,
}


def load(name):
    return getattr(datasets, f"load_{name}")()


@pytest.fixture(scope="module")
def cards():
    files = DATA.glob("*.yml")
    return {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in files}


# -- every table, its card and its docstring -----------------------------------


def test_tables_cards_and_functions_are_the_same_fourteen(cards):
    tables = sorted(file.stem for file in DATA.glob("*.csv"))
    assert tables == sorted(cards) == sorted(NAMES)
    assert len(tables) == 14


@pytest.mark.parametrize("name", NAMES)
def test_card_is_complete(name, cards):
    card = cards[name]
    assert {key: type(value) for key, value in card.items()} == CARD
    assert all(card[key] for key in CARD if key != "missing")
    assert all(isinstance(note, str) and note for note in card["notes"])
    for column in card["columns"]:
        assert set(column) == {"name", "dtype", "unit", "description"}
        assert column["description"]
        assert "|" not in column["description"]  # it becomes a cell of a table
        if column["dtype"] == "float64" and name != "dyestuff2":
            assert column["unit"], f"{name}.{column['name']} has no unit"


@pytest.mark.parametrize("name", NAMES)
def test_card_cites_what_the_bibliography_has(name, cards):
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{([^,\s]+),", bibliography, flags=re.MULTILINE))
    assert set(cards[name]["citation"]) <= keys


@pytest.mark.parametrize("name", NAMES)
def test_file_is_the_one_the_card_describes(name, cards):
    card = cards[name]
    content = (DATA / f"{name}.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert b"\r" not in content
    assert content.isascii()
    raw = pd.read_csv(DATA / f"{name}.csv", dtype=str, na_filter=False)
    assert len(raw) == card["rows"]
    assert int((raw == "").sum().sum()) == card["missing"]
    assert list(raw.columns) == [column["name"] for column in card["columns"]]


@pytest.mark.parametrize("name", NAMES)
def test_frame_is_the_one_the_card_describes(name, cards):
    card = cards[name]
    frame = load(name)
    assert len(frame) == card["rows"]
    assert int(frame.isna().sum().sum()) == card["missing"]
    assert {c["name"]: c["dtype"] for c in card["columns"]} == {
        column: str(dtype) for column, dtype in frame.dtypes.items()
    }
    assert frame.index.equals(pd.RangeIndex(len(frame)))
    for column in frame.select_dtypes("category"):
        levels = frame[column].cat.categories
        assert set(frame[column].unique()) == set(levels)  # no level is empty
        assert not frame[column].cat.ordered
    for column in card["columns"]:
        for levels in re.findall(r"(\d+) levels", column["description"]):
            assert frame[column["name"]].cat.categories.size == int(levels)


@pytest.mark.parametrize("name", NAMES)
def test_frame_is_what_the_file_says(name):
    """Nothing is lost or rounded between the file and the frame."""
    raw = pd.read_csv(DATA / f"{name}.csv", dtype=str, na_filter=False)
    frame = load(name)
    for column in frame:
        values = frame[column]
        if values.dtype == bool:
            expected = raw[column].map(
                {"True": True, "False": False, "1": True, "0": False}
            )
        elif values.dtype == "category":
            expected = raw[column]
        else:
            expected = raw[column].map(float)
        assert values.tolist() == expected.tolist(), column


@pytest.mark.parametrize("name", NAMES)
def test_docstring_names_every_column_with_its_type(name):
    function = getattr(datasets, f"load_{name}")
    doc = inspect.getdoc(function)
    assert len(doc.splitlines()[0]) <= 88
    frame = load(name)
    assert f"{len(frame)} rows" in doc
    assert "Source:" in doc
    for column, dtype in frame.dtypes.items():
        assert re.search(rf"^\s+{column}\s+{dtype}\b", doc, flags=re.MULTILINE), column


@pytest.mark.parametrize("name", NAMES)
def test_every_call_returns_a_new_frame(name):
    first, second = load(name), load(name)
    before = second.copy(deep=True)
    column = first.select_dtypes("number").columns[0]
    first.loc[:, column] = 0
    first["new"] = 1
    pd.testing.assert_frame_equal(second, before)
    pd.testing.assert_frame_equal(load(name), before)


# -- what goes wrong, said plainly -----------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in which an installed module looks for its tables."""
    monkeypatch.setattr(datasets.resources, "files", lambda _: tmp_path)
    (tmp_path / "_data").mkdir()
    return tmp_path / "_data"


def test_missing_table_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"radon\.csv"):
        datasets.load_radon()


def test_missing_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.setattr(datasets.resources, "files", lambda _: tmp_path)
    with pytest.raises(FileNotFoundError, match="_data"):
        datasets.load_radon()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("school,effect\nA,28\n", "columns"),
        ("school,effect,se\nA,28,\n", "damaged"),
        ("school,effect,se\nA,NA,15\n", "damaged"),
        ("", "damaged"),
    ],
)
def test_damaged_table_is_an_error_not_a_nan(folder, content, problem):
    (folder / "eight_schools.csv").write_text(content)
    with pytest.raises(ValueError, match=problem):
        datasets.load_eight_schools()


# -- what the sources print ------------------------------------------------------


def test_eight_schools_pooled_estimate():
    schools = load("eight_schools")
    weight = 1 / schools["se"] ** 2
    pooled = (weight * schools["effect"]).sum() / weight.sum()
    chi_squared = (weight * (schools["effect"] - pooled) ** 2).sum()
    assert round(pooled, 2) == 7.69
    assert round(weight.sum() ** -0.5, 2) == 4.07
    assert round(chi_squared, 2) == 4.71
    assert "".join(schools["school"].cat.categories) == "ABCDEFGH"


def test_radon_counts():
    radon = load("radon")
    sizes = radon.groupby("county", observed=False).size()
    assert (len(radon), len(sizes)) == (919, 85)
    assert (sizes.min(), sizes.max(), sizes.idxmax()) == (1, 116, "St Louis")
    ground = radon.groupby("county", observed=False)["floor"].sum()
    assert (ground == 0).sum() == 25
    assert set(radon["floor"]) == {0, 1}
    assert (radon.groupby("county", observed=False)["log_uranium"].nunique() == 1).all()
    names = set(radon["county"].cat.categories)
    assert {"Lac Qui Parle", "Lake of the Woods", "St Louis", "McLeod"} <= names


def test_radon_activity_and_its_logarithm_are_each_other():
    radon = load("radon")
    recovered = np.exp(radon["log_radon"]) - 0.1
    assert np.abs(recovered - radon["activity"]).max() < 1e-12
    assert np.abs(np.log(radon["activity"] + 0.1) - radon["log_radon"]).max() < 1e-14
    assert (radon["activity"] == 0).sum() == 3
    assert radon["activity"].min() == 0


def test_radon_regressions():
    radon = load("radon")
    slope, intercept = np.polyfit(radon["floor"], radon["log_radon"], 1)
    assert round(intercept, 3) == 1.362
    assert round(slope, 3) == -0.586


def test_high_school_and_beyond_counts():
    students = load("high_school_and_beyond")
    schools = students.groupby("school", observed=True)
    of_school = ["sector", "size", "academic", "climate", "high_minority", "mean_ses"]
    assert (schools[of_school].nunique() == 1).all(axis=None)
    first = schools.first()
    assert (len(students), len(first)) == (7185, 160)
    assert first["sector"].value_counts().to_dict() == {"Public": 90, "Catholic": 70}
    assert (schools.size().min(), schools.size().max()) == (14, 67)
    assert (schools["sex"].nunique() == 1).sum() == 37


def test_high_school_and_beyond_sector_by_least_squares():
    students = load("high_school_and_beyond")
    catholic = (students["sector"] == "Catholic").to_numpy(float)
    x = np.column_stack([np.ones(len(students)), catholic])
    beta, rss, *_ = np.linalg.lstsq(x, students["math"], rcond=None)
    variance = rss[0] / (len(students) - 2) * np.linalg.inv(x.T @ x)
    assert round(beta[1], 3) == 2.806
    assert round(variance[1, 1] ** 0.5, 3) == 0.159


def test_high_school_and_beyond_has_the_oddities_that_its_card_tells():
    students = load("high_school_and_beyond")
    school = students.groupby("school", observed=True).agg(
        ses=("ses", "mean"),
        given=("mean_ses", "first"),
        minority=("minority", "mean"),
        high=("high_minority", "first"),
    )
    shift = school["given"] - school["ses"]
    assert (np.abs(shift - 0.006) <= 0.0005 + 1e-9).all()
    assert ((school["minority"] > 0.4) != school["high"]).sum() == 9


def test_rat_tumours_totals():
    rats = load("rat_tumours")
    assert (rats["tumours"].sum(), rats["rats"].sum(), len(rats)) == (267, 1739, 71)
    assert tuple(rats.iloc[-1][["tumours", "rats"]]) == (4, 14)
    assert (rats["tumours"] <= rats["rats"]).all()
    assert rats["experiment"].cat.categories.tolist() == [
        str(number) for number in range(1, 72)
    ]


def test_hospitals_totals():
    hospitals = load("hospitals")
    assert hospitals[["deaths", "operations"]].sum().tolist() == [208, 2814]
    assert (hospitals["deaths"] <= hospitals["operations"]).all()
    assert "".join(hospitals["hospital"].cat.categories) == "ABCDEFGHIJKL"


def test_pumps_totals_and_rates():
    pumps = load("pumps")
    assert pumps["failures"].sum() == 75
    assert pumps["hours"].sum() == pytest.approx(350.24)
    rate = pumps["failures"] / pumps["hours"]
    assert (round(rate.iloc[0], 3), round(rate.iloc[-1], 2)) == (0.053, 2.10)
    assert pumps["pump"].cat.categories.tolist() == [
        str(number) for number in range(1, 11)
    ]


@pytest.mark.parametrize(
    ("places", "before", "after"), [(3, 0.0754, 0.0213), (15, 0.0753, 0.0213)]
)
def test_baseball_shrinkage(places, before, after):
    """Efron and Morris's estimate on the scale of proportions, as in their 1977."""
    players = load("baseball")
    start = (players["hits"] / players["at_bats"]).round(places)
    mean = start.mean()
    variance = mean * (1 - mean) / 45
    factor = 1 - (len(start) - 3) * variance / ((start - mean) ** 2).sum()
    shrunk = mean + factor * (start - mean)
    rest = players["rest_average"]
    assert round(factor, 3) == 0.212
    assert round(((start - rest) ** 2).sum(), 4) == before
    assert round(((shrunk - rest) ** 2).sum(), 4) == after


def test_baseball_hits_over_the_rest_are_the_only_ones_possible():
    players = load("baseball")
    for player in players.itertuples():
        possible = [
            hits
            for hits in range(player.rest_at_bats + 1)
            if abs(hits / player.rest_at_bats - player.rest_average) <= 0.0005
        ]
        assert possible == [player.rest_hits], player.player
    williams = players.set_index("player").loc["Walt Williams"]
    assert (williams["rest_at_bats"], williams["rest_average"]) == (270, 0.256)


def test_sleepstudy_and_the_industrial_tables_are_balanced():
    assert (load("sleepstudy").groupby("subject", observed=True).size() == 10).all()
    for name in ("dyestuff", "dyestuff2"):
        assert (load(name).groupby("batch", observed=True).size() == 5).all()
    penicillin = load("penicillin")
    assert (pd.crosstab(penicillin["plate"], penicillin["sample"]) == 1).all(axis=None)
    pastes = load("pastes")
    assert (pastes.groupby("sample", observed=True).size() == 2).all()
    assert (
        pastes["sample"].astype(str)
        == pastes["batch"].astype(str) + ":" + pastes["cask"].astype(str)
    ).all()


def test_sleepstudy_mean_line():
    """The fixed effects of a balanced design are least squares'."""
    sleep = load("sleepstudy")
    slope, intercept = np.polyfit(sleep["days"], sleep["reaction"], 1)
    assert (round(intercept, 3), round(slope, 3)) == (251.405, 10.467)


def test_dyestuff2_has_less_between_batches_than_within():
    def mean_squares(frame):
        batches = frame.groupby("batch", observed=True)["yield"]
        return 5 * batches.mean().var(), batches.var().mean()

    between, within = mean_squares(load("dyestuff2"))
    assert between < within
    between, within = mean_squares(load("dyestuff"))
    assert between > within


def test_cbpp_herds_not_seen_throughout():
    seen = load("cbpp").groupby("herd", observed=True).size()
    assert seen[seen < 4].to_dict() == {"2": 3, "8": 1}
    assert len(seen) == 15


def test_insteval_is_partly_crossed():
    ratings = load("insteval")
    assert not ratings.duplicated(["student", "lecturer"]).any()
    lecturers = ratings.groupby("lecturer", observed=True)
    assert (lecturers["department"].nunique() == 1).all()
    assert set(ratings["rating"]) == {1, 2, 3, 4, 5}
    assert set(ratings["semester"]) == {2, 4, 6, 8}
    assert set(ratings["semesters_ago"]) == set(range(1, 7))
    assert ratings["lecturer"].cat.categories[-1] == "2160"


# -- the wheel --------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built with what is installed: nothing is fetched."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    run = subprocess.run(
        [*command, "--outdir", str(out), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"the wheel does not build:\n{run.stdout}{run.stderr}"
    (built,) = out.glob("*.whl")
    return built


def test_wheel_carries_every_table_and_card(wheel):
    with zipfile.ZipFile(wheel) as archive:
        carried = {
            name.removeprefix("pooling/_data/")
            for name in archive.namelist()
            if name.startswith("pooling/_data/")
        }
    assert carried >= {f"{name}.{kind}" for name in NAMES for kind in ("csv", "yml")}
    assert wheel.stat().st_size < 1_000_000  # it travels to the reader's browser


def test_wheel_alone_loads_every_table(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = f"""
import sys
root, site = {str(ROOT / "code")!r}, {str(tmp_path / "site")!r}
sys.path[:] = [site] + [entry for entry in sys.path if entry != root]
from pathlib import Path
from pooling import datasets
assert Path(datasets.__file__).is_relative_to(site), datasets.__file__
for name in datasets.__all__:
    print(name, len(getattr(datasets, name)()))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    counts = dict(line.split() for line in run.stdout.splitlines())
    for name in NAMES:
        card = yaml.safe_load((DATA / f"{name}.yml").read_text(encoding="utf-8"))
        assert int(counts[f"load_{name}"]) == card["rows"]

"""The book's tables: ``load_radon()`` and its like.

Each function reads one CSV file and returns a new `pandas.DataFrame` with one
row per observation, names where the file has codes, and categories whose levels
stand in the order in which a reader would count them. Beside each file lies a
card in YAML that says where the table comes from, ``radon.yml`` beside ``radon.csv``.

The files are found wherever the module runs: in ``data/`` of a checkout, or
inside the installed package.
"""

from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = [
    "load_baseball",
    "load_cbpp",
    "load_dyestuff",
    "load_dyestuff2",
    "load_eight_schools",
    "load_high_school_and_beyond",
    "load_hospitals",
    "load_insteval",
    "load_pastes",
    "load_penicillin",
    "load_pumps",
    "load_radon",
    "load_rat_tumours",
    "load_sleepstudy",
]

# A column's type is one of NumPy's, or one of these two kinds of category:
NAMED = "category"  # levels in order of first appearance
NUMBERED = "numbered category"  # levels "1", "2", ... in order of number


def load_eight_schools() -> pd.DataFrame:
    """Effects of coaching for the SAT in eight schools, each with its standard error.

    Returns
    -------
    pandas.DataFrame
        8 rows, one per school.

        ========  ========  ==========  ==========================================
        column    dtype     unit        what it is
        ========  ========  ==========  ==========================================
        school    category              A to H
        effect    float64   SAT points  estimated effect of coaching
        se        float64   SAT points  standard error of that estimate
        ========  ========  ==========  ==========================================

    Notes
    -----
    Source: Rubin (1981); Gelman et al. (2013), Table 5.2.
    """
    return _read("eight_schools", school=NAMED, effect=float, se=float)


def load_radon() -> pd.DataFrame:
    """Radon in 919 houses of Minnesota, with the uranium in the soil of their county.

    Returns
    -------
    pandas.DataFrame
        919 rows, one per house.

        ===========  ========  =========  ========================================
        column       dtype     unit       what it is
        ===========  ========  =========  ========================================
        county       category             85 names, nearly in alphabetical order
        floor        int8                 0 measured in the basement, 1 on the
                                          ground floor
        log_radon    float64   log pCi/L  log(activity + 0.1)
        activity     float64   pCi/L      radon, to one decimal; three are 0
        log_uranium  float64   log ppm    uranium in the soil, one value a county
        ===========  ========  =========  ========================================

    Notes
    -----
    Source: Price, Nero & Gelman (1996); Gelman & Hill (2007), chapter 12. Other
    versions of the logarithm circulate; the card says which, and what differs.
    """
    return _read(
        "radon",
        county=NAMED,
        floor=np.int8,
        log_radon=float,
        activity=float,
        log_uranium=float,
    )


def load_high_school_and_beyond() -> pd.DataFrame:
    """Mathematics scores of 7185 students in 160 high schools of the United States.

    Returns
    -------
    pandas.DataFrame
        7185 rows, one per student; columns from `sector` to `mean_ses` are
        constant within a school.

        =============  ========  ========  =======================================
        column         dtype     unit      what it is
        =============  ========  ========  =======================================
        school         category            160 codes such as "1224"
        sector         category            Public or Catholic
        size           int64     students  enrolment of the school
        academic       float64             proportion on the academic track
        climate        float64             disciplinary climate (a scale)
        high_minority  bool                more than 40 % minority enrolment
        mean_ses       float64             mean of `ses` in the school, as given
        minority       bool                student of a racial or ethnic minority
        sex            category            Female or Male
        ses            float64             socio-economic status (standardised)
        math           float64   points    score in mathematics
        =============  ========  ========  =======================================

    Notes
    -----
    Source: Raudenbush & Bryk (2002), chapter 4. `mean_ses` exceeds the mean of the
    school's students here by the same 0.006 in every school; see the card.
    """
    return _read(
        "high_school_and_beyond",
        school=NAMED,
        sector=NAMED,
        size=np.int64,
        academic=float,
        climate=float,
        high_minority=bool,
        mean_ses=float,
        minority=bool,
        sex=NAMED,
        ses=float,
        math=float,
    )


def load_rat_tumours() -> pd.DataFrame:
    """Tumours among the rats of 71 control groups, one group an experiment.

    Returns
    -------
    pandas.DataFrame
        71 rows, one per experiment; the last is the current one of BDA3.

        ==========  ========  ====  ==============================================
        column      dtype     unit  what it is
        ==========  ========  ====  ==============================================
        experiment  category        "1" to "71", in the order of the table
        tumours     int64     rats  rats with an endometrial stromal polyp
        rats        int64     rats  rats in the group
        ==========  ========  ====  ==============================================

    Notes
    -----
    Source: Tarone (1982); Gelman et al. (2013), Table 5.1.
    """
    return _read("rat_tumours", experiment=NUMBERED, tumours=np.int64, rats=np.int64)


def load_hospitals() -> pd.DataFrame:
    """Deaths of babies after heart surgery in twelve hospitals.

    Returns
    -------
    pandas.DataFrame
        12 rows, one per hospital.

        ==========  ========  ======  ============================================
        column      dtype     unit    what it is
        ==========  ========  ======  ============================================
        hospital    category          A to L
        deaths      int64     babies  babies who died
        operations  int64     babies  babies operated on
        ==========  ========  ======  ============================================

    Notes
    -----
    Source: Spiegelhalter et al. (1996), the example "Surgical" of the program BUGS.
    """
    return _read("hospitals", hospital=NAMED, deaths=np.int64, operations=np.int64)


def load_pumps() -> pd.DataFrame:
    """Failures of ten pumps of a nuclear power plant.

    Returns
    -------
    pandas.DataFrame
        10 rows, one per pump.

        ========  ========  ==========  ==========================================
        column    dtype     unit        what it is
        ========  ========  ==========  ==========================================
        pump      category              "1" to "10", in the order of the table
        failures  int64     failures    failures seen
        hours     float64   1000 hours  time over which the pump was watched
        ========  ========  ==========  ==========================================

    Notes
    -----
    Source: Gaver & O'Muircheartaigh (1987).
    """
    return _read("pumps", pump=NUMBERED, failures=np.int64, hours=float)


def load_baseball() -> pd.DataFrame:
    """Batting of 18 baseball players in 1970: their first 45 at-bats, and the rest.

    Returns
    -------
    pandas.DataFrame
        18 rows, one per player, from the best start to the worst.

        ============  ========  =======  =========================================
        column        dtype     unit     what it is
        ============  ========  =======  =========================================
        player        category           full name
        hits          int64     hits     in the first 45 at-bats
        at_bats       int64     at-bats  45 for each
        rest_hits     int64     hits     over the rest of the season
        rest_at_bats  int64     at-bats  over the rest of the season
        rest_average  float64            hits per at-bat over the rest, as printed
        ============  ========  =======  =========================================

    Notes
    -----
    Source: Efron & Morris (1975, 1977). `rest_hits` is not printed there: it is
    the only whole number that rounds to the average that is.
    """
    return _read(
        "baseball",
        player=NAMED,
        hits=np.int64,
        at_bats=np.int64,
        rest_hits=np.int64,
        rest_at_bats=np.int64,
        rest_average=float,
    )


def load_sleepstudy() -> pd.DataFrame:
    """Reaction times of 18 people through ten days of a study of sleep restriction.

    Returns
    -------
    pandas.DataFrame
        180 rows, one per subject and day.

        ========  ========  ====  ================================================
        column    dtype     unit  what it is
        ========  ========  ====  ================================================
        subject   category        18 codes such as "308"
        days      int64     days  0 to 9; 0 and 1 are training, 2 is the baseline
        reaction  float64   ms    mean reaction time of the day
        ========  ========  ====  ================================================

    Notes
    -----
    Source: Belenky et al. (2003), the group with three hours in bed a night.
    """
    return _read("sleepstudy", subject=NAMED, days=np.int64, reaction=float)


def load_dyestuff() -> pd.DataFrame:
    """Yield of dyestuff from five preparations of each of six batches.

    Returns
    -------
    pandas.DataFrame
        30 rows, one per preparation.

        ======  ========  ========================  ==============================
        column  dtype     unit                      what it is
        ======  ========  ========================  ==============================
        batch   category                            A to F
        yield   float64   grams of standard colour  yield of the preparation
        ======  ========  ========================  ==============================

    Notes
    -----
    Source: Davies & Goldsmith (1972), section 6.4.
    """
    return _read("dyestuff", batch=NAMED, **{"yield": float})


def load_dyestuff2() -> pd.DataFrame:
    """Constructed data like `load_dyestuff`'s, whose batches hardly differ.

    Returns
    -------
    pandas.DataFrame
        30 rows, one per preparation.

        ======  ========  ====  ==================================================
        column  dtype     unit  what it is
        ======  ========  ====  ==================================================
        batch   category        A to F
        yield   float64         constructed yield, on a scale of its own
        ======  ========  ====  ==================================================

    Notes
    -----
    Source: Box & Tiao (1973), section 5.1.2.
    """
    return _read("dyestuff2", batch=NAMED, **{"yield": float})


def load_penicillin() -> pd.DataFrame:
    """Six samples of penicillin, each tested once on each of 24 plates.

    Returns
    -------
    pandas.DataFrame
        144 rows, one per plate and sample: the two are fully crossed.

        ========  ========  ====  ================================================
        column    dtype     unit  what it is
        ========  ========  ====  ================================================
        plate     category        a to x
        sample    category        A to F
        diameter  float64   mm    zone in which the organism does not grow
        ========  ========  ====  ================================================

    Notes
    -----
    Source: Davies & Goldsmith (1972), section 6.6.
    """
    return _read("penicillin", plate=NAMED, sample=NAMED, diameter=float)


def load_pastes() -> pd.DataFrame:
    """Strength of a chemical paste, three casks from each of ten deliveries.

    Returns
    -------
    pandas.DataFrame
        60 rows, two assays a cask.

        ========  ========  ====  ================================================
        column    dtype     unit  what it is
        ========  ========  ====  ================================================
        batch     category        A to J, the delivery
        cask      category        a to c, a label used anew in each batch
        sample    category        batch and cask, such as "A:a": 30 casks in all
        strength  float64         strength of the paste, as assayed
        ========  ========  ====  ================================================

    Notes
    -----
    Source: Davies & Goldsmith (1972), section 6.5. Casks are nested in batches:
    cask a of batch A has nothing to do with cask a of batch B.
    """
    return _read("pastes", batch=NAMED, cask=NAMED, sample=NAMED, strength=float)


def load_cbpp() -> pd.DataFrame:
    """New cases of a cattle disease in 15 herds over up to four periods.

    Returns
    -------
    pandas.DataFrame
        56 rows, one per herd and period observed.

        =========  ========  =======  ============================================
        column     dtype     unit     what it is
        =========  ========  =======  ============================================
        herd       category           "1" to "15"
        period     category           "1" to "4"
        incidence  int64     animals  new serological cases in the period
        size       int64     animals  size of the herd at the period's beginning
        =========  ========  =======  ============================================

    Notes
    -----
    Contagious bovine pleuropneumonia in the Ethiopian highlands. Source: Lesnoff
    et al. (2004). Herd 8 was seen in one period only.
    """
    return _read(
        "cbpp", herd=NUMBERED, period=NUMBERED, incidence=np.int64, size=np.int64
    )


def load_insteval() -> pd.DataFrame:
    """Ratings of 1128 lecturers by 2972 students of ETH Zurich.

    Returns
    -------
    pandas.DataFrame
        73421 rows, one per student and lecturer.

        =============  ========  =========  ======================================
        column         dtype     unit       what it is
        =============  ========  =========  ======================================
        student        category             "1" to "2972"
        lecturer       category             1128 codes between "1" and "2160"
        department     category             14 codes between "1" and "15"
        service        bool                 given for another department than the
                                            lecturer's own
        semester       int8      semesters  how long the student has been enrolled:
                                            2, 4, 6 or 8
        semesters_ago  int8      semesters  how long ago the lecture was: 1 to 6
        rating         int8                 1 (poor) to 5 (very good)
        =============  ========  =========  ======================================

    Notes
    -----
    Source: the data set InstEval of the R package lme4 (Bates et al., 2015).
    """
    return _read(
        "insteval",
        student=NUMBERED,
        lecturer=NUMBERED,
        department=NUMBERED,
        service=bool,
        semester=np.int8,
        semesters_ago=np.int8,
        rating=np.int8,
    )


def _read(name, **columns):
    """Read one table, holding it to the columns and types that are promised.

    Nothing becomes NaN on the way: an empty cell is an error, not a missing value.
    """
    path = _folder() / f"{name}.csv"
    try:
        with path.open("rb") as file:
            frame = pd.read_csv(
                file,
                dtype={
                    column: str if kind in (NAMED, NUMBERED) else kind
                    for column, kind in columns.items()
                },
                na_filter=False,
            )
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the table {name}.csv should be in {_folder()}, and is not there"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if list(frame.columns) != list(columns):
        raise ValueError(
            f"{path} has the columns {list(frame.columns)}, "
            f"and should have {list(columns)}"
        )
    for column, kind in columns.items():
        if kind in (NAMED, NUMBERED):
            levels = frame[column].unique()
            if kind == NUMBERED:
                levels = sorted(levels, key=int)
            frame[column] = pd.Categorical(frame[column], categories=levels)
    return frame


def _folder():
    """Where the tables are: inside the installed package, or in the checkout."""
    package = resources.files("pooling")
    checkout = Path(__file__).resolve().parents[2] / "data"
    for folder in (package / "_data", checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"the book's tables are neither in {package / '_data'} (where an installed "
        f"copy keeps them) nor in {checkout} (where a checkout does)"
    )

"""Write the body of a PyMC model in the notation of statistics.

``theta = pm.Normal("theta", mu, tau, dims="school")`` becomes
``\\theta_{\\text{school}} \\sim \\mathrm{N}(\\mu, \\tau)``: the formula says what the
code beside it says, since it is made of it.
"""

from __future__ import annotations

import ast

GREEK = set(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma tau upsilon phi chi psi omega".split()
)
#: Names in code of letters that have a longer name.
SHORT = {"eps": "epsilon"}
#: Distributions with a notation of their own on the page of notation.
NAMES = {
    "Normal": r"\mathrm{N}",
    "HalfNormal": r"\text{half-normal}",
    "HalfCauchy": r"\text{half-Cauchy}",
}
#: What PyMC takes where a model gives nothing.
DEFAULTS = {"Normal": ["0", "1"], "ZeroSumNormal": ["1"]}
FUNCTIONS = {"exp": r"\exp", "log": r"\log", "invlogit": r"\operatorname{logit}^{-1}"}
#: Arguments that say how a variable is stored, computed or started.
NO_PART = "dims", "observed", "shape", "total_size", "compute_corr", "initval"
#: How tightly an operator binds, and how it is written.
OPERATORS = {ast.Add: (1, " + "), ast.Sub: (1, " - "), ast.Mult: (2, r"\,")}


def notation(model: ast.With, variables=(), indexes=()) -> str:
    """One aligned line for each variable of a model, and for each name in between.

    Parameters
    ----------
    model : ast.With
        The statement that defines it.
    variables : list of dict
        The model's variables, as in `pooling.models.variables`.
    indexes : dict
        The dimensions of tables that the code names, as `pooling.models.describe`
        records them; None is that of observations without a name.
    """
    lines, renamed = [], {}
    plates = {name: [_index(dim)] for name, dim in dict(indexes).items()}
    # What the model observes, without dims, is numbered.
    unnamed = {
        one["name"]: [_index(None)] * len(one["plate"])
        for one in variables
        if one["kind"] in ("observed", "data")
        and all(dim is None for dim, _ in one["plate"])
    }
    observed = [one["plate"] for one in variables if one["kind"] == "observed"]
    row = _index(observed[0][0][0] if observed and len(observed[0]) == 1 else None)
    for statement in model.body:
        value = getattr(statement, "value", None)
        if not isinstance(statement, (ast.Assign, ast.Expr)) or value is None:
            continue
        target = statement.targets[0].id if _has_name(statement) else None
        if named(value) is None:
            if target and not samples(statement):
                right = expression(_Rename(renamed).visit(value), plates, row)
                plates.pop(target, None)
                if f"[{row}]" in right:  # one value for each observation
                    plates[target] = [row]
                lines.append(rf"{symbol(target, plates)} &= {right}")
            continue
        name, dims = named(value), _keyword(value, "dims")
        plate = [dims] if isinstance(dims, str) else list(dims or ())
        plate = [_index(dim) for dim in plate] or unnamed.get(name, [])
        plates |= dict.fromkeys(filter(None, (name, target)), plate)
        lines.append(_line(name, _Rename(renamed).visit(value), plates))
        if target:
            renamed[target] = name
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _index(dim: str | None) -> str:
    """How a dimension is written in a subscript."""
    return rf"\text{{{dim}}}" if dim else "i"


class _Rename(ast.NodeTransformer):
    """Give the variables of a model the names that they have in the model."""

    def __init__(self, renamed: dict[str, str]):
        self.renamed = renamed

    def visit_Name(self, node: ast.Name) -> ast.Name:  # noqa: N802 (ast's own name)
        return ast.Name(self.renamed.get(node.id, node.id), node.ctx)


def _has_name(statement) -> bool:
    targets = getattr(statement, "targets", [None])
    return isinstance(targets[0], ast.Name)


def named(value: ast.expr) -> str | None:
    """The name that a call such as ``pm.Normal("mu", 0, 1)`` gives its variable."""
    called = isinstance(value, ast.Call) and ast.unparse(value.func).startswith("pm.")
    first = value.args[0] if called and value.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return None


def samples(statement: ast.stmt) -> bool:
    """Whether a statement is no part of the model, but draws from it."""
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(
        ast.unparse(call.func).startswith(("pm.sample", "pm.find_MAP", "pm.fit"))
        for call in calls
    )


def _keyword(call: ast.Call, name: str):
    found = next((k.value for k in call.keywords if k.arg == name), None)
    return None if found is None else ast.literal_eval(found)


def _line(name: str, call: ast.Call, plates) -> str:
    kind, left = call.func.attr, symbol(name, plates)
    # A table of groups has an entry for each member of the variable's own plate.
    own = plates[name][0] if len(plates.get(name, ())) == 1 else _index(None)
    given = [expression(one, plates, own) for one in call.args[1:]]
    given += [
        rf"{symbol(k.arg)} = {expression(k.value, plates, own)}"
        for k in call.keywords
        if k.arg not in NO_PART
    ]
    if kind in ("Deterministic", "Data", "MutableData", "ConstantData"):
        return rf"{left} &= {given[0]}"
    if kind == "Potential":
        return rf"\log p &\mathrel{{+}}= {given[0]}"
    if kind in ("Flat", "HalfFlat"):
        positive = rf",\quad {left} > 0" if kind == "HalfFlat" else ""
        return rf"p({left}) &\propto 1{positive}"
    if kind == "StudentT" and len(call.args) == 1:
        # As on the page of notation, whatever the order of the arguments.
        of = {k.arg: expression(k.value, plates, own) for k in call.keywords}
        nu, location, scale = of["nu"], of.get("mu", "0"), of.get("sigma", "1")
        return rf"{left} &\sim t_{{{nu}}}({location}, {scale})"
    given = given or DEFAULTS[kind]
    return rf"{left} &\sim {_distribution(kind)}({', '.join(given)})"


def _distribution(kind: str) -> str:
    return NAMES.get(kind, rf"\operatorname{{{kind}}}")


def symbol(name: str, plates=()) -> str:
    """A variable, with the rest of its name and its plates as subscripts."""
    first, *rest = name.split("_")
    if rest and (first in GREEK or len(first) == 1):
        below = [_letters(" ".join(rest))]
    else:
        first, below = " ".join([first, *rest]), []
    below += plates[name] if name in plates else []
    return _letters(first) + (f"_{{{','.join(below)}}}" if below else "")


def _letters(word: str) -> str:
    if SHORT.get(word, word) in GREEK:
        return f"\\{SHORT.get(word, word)}"
    return word if len(word) == 1 else rf"\text{{{word}}}"


def expression(node: ast.expr, plates, row: str, binds: int = 0) -> str:
    """An expression in LaTeX; what has no notation of its own stays code.

    `row` is the index of what has an entry in a table of groups, such as a house in
    the table of the houses' counties; `binds` says how tightly the operator around
    the expression binds.
    """

    def inner(node: ast.expr, binds: int = 0) -> str:
        return expression(node, plates, row, binds)

    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        tight, sign = OPERATORS[type(node.op)]
        # What is subtracted keeps its brackets.
        right = tight + isinstance(node.op, ast.Sub)
        left, right = inner(node.left, tight), inner(node.right, right)
        sign = r" \cdot " if sign == r"\," and right[0].isdigit() else sign
        written = left + sign + right
        return rf"({written})" if tight < binds else written
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        above, below = inner(node.left, 2), inner(node.right, 3)
        return f"{above} / {below}" if binds < 3 else f"({above} / {below})"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return f"{inner(node.left, 4)}^{{{inner(node.right)}}}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return "-" + inner(node.operand, 2)
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return symbol(node.id, plates)
    if isinstance(node, ast.List):
        return f"[{', '.join(map(inner, node.elts))}]"
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        name, index = node.value.id, node.slice
        if isinstance(index, ast.Name):
            group = index.id.removesuffix("_idx")
            return symbol(name, {name: [rf"\text{{{group}}}[{row}]"]})
        if isinstance(index, ast.Constant) and isinstance(index.value, str):
            return symbol(index.value, {index.value: [row]})  # a column
        if isinstance(index, ast.Constant):
            return symbol(name, {name: [str(index.value), *plates.get(name, ())[1:]]})
    if isinstance(node, ast.Call):
        *_, kind, function = ["", *ast.unparse(node.func).split(".")]
        given = [inner(one) for one in node.args]
        if function == "dist":  # of a distribution that is no variable
            return rf"{_distribution(kind)}({', '.join(given)})"
        if function == "sqrt":
            return rf"\sqrt{{{given[0]}}}"
        written = FUNCTIONS.get(function, rf"\operatorname{{{function}}}")
        return rf"{written}({', '.join(given)})"
    return rf"\texttt{{{ast.unparse(node).replace('_', r'\_')}}}"

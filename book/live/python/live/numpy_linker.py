"""Run a PyTensor graph as one straight-line Python function of NumPy calls.

A browser has neither a C compiler nor Numba, and PyTensor's own virtual machine then
spends most of its time between operations: for vectors of a few dozen numbers, finding
and checking the next operation costs ten times its arithmetic. Here a graph is written
out once, as the Python that one would write by hand::

    s3 = x.item(1)                  # log tau: a plain float, not an array
    s4 = exp_(s3)
    a7 = y - (s2 + s4 * a6)
    s9 = a7.dot(a7)

Three things make it quick. A float64 variable of one element is a Python ``float``,
which costs a tenth of an array; nothing is checked that the graph's static shapes
already prove; and sums of products are dot products. Whatever is not spelled out here
runs through its own ``Op.perform``, so every graph runs. In-place variants are computed
out of place: a graph never needs its input destroyed, only allows it.
"""

from itertools import chain
import math

import numpy as np
from pytensor.compile import mode as modes
from pytensor.compile.ops import DeepCopyOp, ViewOp
from pytensor.graph.basic import Constant
from pytensor.link.basic import JITLinker
from pytensor.link.utils import raise_with_op
from pytensor.scalar import basic as ps
from pytensor.scalar import math as psm
from pytensor.tensor.basic import Alloc, Join, MakeVector, constant
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import Reshape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    Subtensor,
    unflatten_index_variables,
)
from pytensor.tensor.type import TensorType
from pytensor.tensor.utils import import_func_from_string

# ── Arithmetic of plain floats that never raises, as an array's does not ──────────────

INF, NAN = math.inf, math.nan


def exp_(x):
    try:
        return math.exp(x)
    except OverflowError:
        return INF


def log_(x):
    return math.log(x) if x > 0 else (-INF if x == 0 else NAN)


def log1p_(x):
    return math.log1p(x) if x > -1 else (-INF if x == -1 else NAN)


def sqrt_(x):
    return math.sqrt(x) if x >= 0 else NAN


def divide_(x, y):
    return x / y if y else float(np.divide(x, y))


def power_(x, y):
    return float(np.power(x, y))


def sigmoid_(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else exp_(x)


def log1mexp(x):
    """Return log(1 - exp(x)) for x <= 0, without cancellation at either end."""
    return np.where(x < -math.log(2), np.log1p(-np.exp(x)), np.log(-np.expm1(x)))


def second(x, y):
    """Return ``y`` in the shape of ``x`` and ``y`` broadcast together."""
    out = np.empty(np.broadcast(x, y).shape, getattr(y, "dtype", np.float64))
    out[...] = y
    return out


SCALAR = {  # how to write an operation on Python floats and bools
    ps.Add: " + ".join,
    ps.Mul: " * ".join,
    ps.Sub: " - ".join,
    ps.GT: " > ".join,
    ps.GE: " >= ".join,
    ps.LT: " < ".join,
    ps.LE: " <= ".join,
    ps.EQ: " == ".join,
    ps.NEQ: " != ".join,
    ps.Neg: "-{}".format,
    ps.Abs: "abs({})".format,
    ps.Sqr: "{0} * {0}".format,
    ps.Identity: "{}".format,
    ps.Exp: "exp_({})".format,
    ps.Log: "log_({})".format,
    ps.Log1p: "log1p_({})".format,
    ps.Sqrt: "sqrt_({})".format,
    ps.TrueDiv: "divide_({}, {})".format,
    ps.Reciprocal: "divide_(1.0, {})".format,
    ps.Pow: "power_({}, {})".format,
    ps.Switch: "{1} if {0} else {2}".format,
    ps.Second: "{1}".format,
    psm.Sigmoid: "sigmoid_({})".format,
}
SCALAR_LOGIC = {ps.AND: " and ".join, ps.OR: " or ".join, ps.Invert: "not {}".format}
ARRAY = {  # the same on arrays, alone or among floats; else the op's own ufunc
    **{op: SCALAR[op] for op in (ps.Add, ps.Mul, ps.Sub, ps.Neg)},
    **{op: SCALAR[op] for op in (ps.GT, ps.GE, ps.LT, ps.LE, ps.EQ, ps.NEQ)},
    ps.Sqr: "square({})".format,
    ps.TrueDiv: " / ".join,
    ps.Reciprocal: "1.0 / {}".format,
    ps.Switch: "where({}, {}, {})".format,
    ps.Second: "second({}, {})".format,
    psm.Softplus: "logaddexp(0.0, {})".format,
    psm.Log1mexp: "log1mexp({})".format,
}
POWERS = {2.0: ps.sqr, 1.0: ps.identity, 0.5: ps.sqrt, -1.0: ps.reciprocal}
REDUCTIONS = {
    np.add: "add",
    np.multiply: "multiply",
    np.maximum: "maximum",
    np.minimum: "minimum",
    np.logical_and: "logical_and",
    np.logical_or: "logical_or",
    np.bitwise_and: "bitwise_and",  # what All and Any use
    np.bitwise_or: "bitwise_or",
}

NAMESPACE = {
    f.__name__: f
    for f in (exp_, log_, log1p_, sqrt_, divide_, power_, sigmoid_, log1mexp, second)
} | {
    "inf": INF,
    "nan": NAN,
    **{
        name: getattr(np, name)
        for name in [
            "array",
            "asarray",
            "bincount",
            "concatenate",
            "empty",
            "full",
            "logaddexp",
            "square",
            "where",
            "zeros",
        ]
    },
    **{f"{name}_reduce": ufunc.reduce for ufunc, name in REDUCTIONS.items()},
}


def call(template, arguments):
    """Fill in a template, be it a bound ``str.join`` or a bound ``str.format``."""
    if template.__name__ == "join":
        return template(arguments)
    return template(*arguments)


def is_tensor(variable):
    return isinstance(variable.type, TensorType)


def is_scalar(variable):
    """Whether a variable is one float64 or bool, so that plain Python can hold it."""
    kind = variable.type
    return (
        isinstance(kind, TensorType)
        and kind.dtype in ("float64", "bool")
        and all(length == 1 for length in kind.shape)
    )


def is_number(variable):
    """Whether a variable is a scalar, or a constant that is one real number."""
    return is_scalar(variable) or (
        isinstance(variable, Constant)
        and is_tensor(variable)
        and variable.data.size == 1
        and variable.data.dtype.kind in "iuf"
    )


def static(shape):
    return None not in shape


class Writer:
    """Writes one graph, node after node, into the lines of one function.

    A variable is known by the name of its array, of its Python scalar, or both;
    whichever is missing is made where it is first asked for.
    """

    def __init__(self, fgraph, order):
        self.fgraph = fgraph
        self.names = dict(NAMESPACE)
        self.arrays, self.scalars = {}, {}
        self.lines, self.nodes = [], []
        self.node = None
        self.inputs = set(fgraph.inputs)
        for number, variable in enumerate(fgraph.inputs):
            self.arrays[variable] = f"i{number}"
        self.within_sums = set()
        for node in order:
            if self.is_vector_sum(node):
                self.look_into_sum(node.inputs[0])
        for node in order:
            if node not in self.within_sums:
                self.node = node
                WRITERS.get(type(node.op), self.kind_of)(self, node)
        self.node = None
        self.outputs = [
            # Whoever calls the function itself may do without the box of a scalar.
            self.scalar(v) if is_scalar(v) and v not in self.arrays else self.array(v)
            for v in fgraph.outputs
        ]

    def kind_of(self, writer, node):
        for kind in (Elemwise, CAReduce):  # subclasses, as Sum and Max are
            if isinstance(node.op, kind):
                return WRITERS[kind](self, node)
        return self.perform(node)

    # ── Names ──

    def add(self, line):
        self.lines.append(line)
        self.nodes.append(self.node)

    def let(self, expression, letter="a"):
        name = f"{letter}{len(self.lines)}"
        self.add(f"{name} = {expression}")
        return name

    def known(self, value):
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def array(self, variable):
        if variable not in self.arrays:
            if isinstance(variable, Constant):
                self.arrays[variable] = self.known(variable.data)
            else:
                kind = variable.type
                scalar = self.scalars[variable]
                self.arrays[variable] = self.let(
                    f"array({scalar}, {kind.dtype!r}, ndmin={kind.ndim})"
                )
        return self.arrays[variable]

    def scalar(self, variable):
        if variable not in self.scalars:
            if isinstance(variable, Constant):
                value = variable.data.item()
                if variable.type.dtype != "bool":
                    value = float(value)
                # Negative numbers in brackets, so that -2.0 * x is not -(2.0 * x).
                self.scalars[variable] = f"({value})" if value < 0 else f"{value}"
            else:
                name, convert = self.arrays[variable], variable.type.dtype
                if variable in self.inputs and not variable.type.ndim:
                    # A caller who vouches for its input may pass a float.
                    value = f"{convert.replace('64', '')}({name})"
                else:
                    value = f"{name}.item()"
                self.scalars[variable] = self.let(value, "s")
        return self.scalars[variable]

    def set(self, variable, expression, *, exact=True):
        """Name the result: ``exact`` says it is an array even if of no dimension."""
        if is_scalar(variable):
            self.scalars[variable] = self.let(f"({expression}).item()", "s")
        elif exact or variable.type.ndim:
            self.arrays[variable] = self.let(expression)
        else:
            self.arrays[variable] = self.let(f"asarray({expression})")

    def set_scalar(self, variable, expression):
        self.scalars[variable] = self.let(expression, "s")

    def same(self, variable, source):
        """Give a scalar the value of another, whatever the number of dimensions."""
        self.scalars[variable] = self.scalar(source)

    # ── Anything ──

    def perform(self, node):
        """Run a node by its own thunk, on storage of its own."""
        name = self.known(thunk_of(node))
        destroyed = {i for found in node.op.destroy_map.values() for i in found}
        arguments = [
            # A generator may be moved on; an array may have another name here.
            f"{self.array(v)}.copy()"
            if i in destroyed and is_tensor(v)
            else self.array(v)
            for i, v in enumerate(node.inputs)
        ]
        outputs = [f"a{len(self.lines)}_{i}" for i in range(len(node.outputs))]
        self.arrays.update(zip(node.outputs, outputs, strict=True))
        self.add(f"[{', '.join(outputs)}] = {name}({', '.join(arguments)})")

    # ── Elementwise ──

    def elemwise(self, node):
        op, (out, *more) = node.op.scalar_op, node.outputs
        if more or isinstance(op, ps.Composite):
            return self.perform(node)
        inputs = list(node.inputs)
        if isinstance(op, ps.Pow) and (simpler := POWERS.get(constant_of(inputs[1]))):
            op, inputs = simpler, inputs[:1]
        if is_scalar(out) and all(is_number(v) for v in inputs):
            expression = self.of_scalars(op, inputs)
            if expression is not None:
                return self.set_scalar(out, expression)
        self.check_broadcast(node)
        if isinstance(op, ps.Switch) and self.choose(out, *inputs):
            return None
        expression = self.of_floats(op, inputs, out)
        if expression is None:
            expression = self.of_arrays(op, inputs, out)
        if expression is None:
            return self.perform(node)
        return self.set(out, expression, exact=False)

    def of_scalars(self, op, inputs):
        names = [self.scalar(v) for v in inputs]
        logic = all(v.type.dtype == "bool" for v in inputs)
        if logic and type(op) in SCALAR_LOGIC:
            return call(SCALAR_LOGIC[type(op)], names)
        if logic and not isinstance(op, ps.Switch | ps.Identity | ps.EQ | ps.NEQ):
            return None
        if isinstance(op, ps.TrueDiv) and constant_of(inputs[1]):
            return " / ".join(names)
        if isinstance(op, ps.Cast):
            return f"{op.o_type.dtype.replace('64', '')}({names[0]})"
        if type(op) in SCALAR:
            return call(SCALAR[type(op)], names)
        return None

    def of_floats(self, op, inputs, out):
        """Write an operation of float64 arrays, floats, and integers among them."""
        comparison = isinstance(op, ps.LogicalComparison) and len(inputs) == 2
        if isinstance(op, ps.Switch | ps.Second):
            # A float takes the type of the array beside it: that must be float64.
            if any(v.type.dtype != "float64" and not is_number(v) for v in inputs[1:]):
                return None
            floats = inputs[1:] if isinstance(op, ps.Switch) else inputs[:0]
        elif isinstance(op, ps.Cast) or not (comparison or out.type.dtype == "float64"):
            return None
        else:
            floats = inputs
        if floats and not any(v.type.dtype == "float64" for v in floats):
            return None
        if any(not is_number(v) and v.type.dtype not in PLAIN for v in inputs):
            return None
        if isinstance(op, ps.Add | ps.Mul):
            # Floats first: they cost a tenth of what an array does.
            inputs = sorted(inputs, key=lambda v: not is_number(v))
        names = [self.scalar(v) if is_number(v) else self.array(v) for v in inputs]
        if isinstance(op, ps.Second) or all(is_number(v) for v in inputs):
            names[0] = self.array(inputs[0])  # something must say what shape it is
        if isinstance(op, ps.Add | ps.Mul):
            numbers = [n for n, v in zip(names, inputs, strict=True) if is_number(v)]
            if 1 < len(numbers) < len(names):
                joined = call(SCALAR[type(op)], numbers)
                names = [f"({joined})", *names[len(numbers) :]]
        if type(op) in ARRAY:
            return call(ARRAY[type(op)], names)
        ufunc = ufunc_of(op, len(inputs))
        if ufunc is None:
            return None
        return f"{self.known(ufunc)}({', '.join(names)})"

    def of_arrays(self, op, inputs, out):
        """Write an operation of any types whose ufunc gives the type that is wanted."""
        wanted = np.dtype(out.type.dtype)
        names = [self.array(v) for v in inputs]
        types = [np.dtype(v.type.dtype) for v in inputs]
        if isinstance(op, ps.Cast):
            return f"{names[0]}.astype({wanted.name!r})"
        if isinstance(op, ps.Switch):
            if np.result_type(*types[1:]) == wanted:
                return f"where({', '.join(names)})"
            return None
        if isinstance(op, ps.Add | ps.Mul) and len(inputs) > 2:
            if all(kind == wanted for kind in types):
                return call(SCALAR[type(op)], names)
            return None
        ufunc = ufunc_of(op, len(inputs))
        try:
            found = ufunc.resolve_dtypes((*types, None))[-1]
        except (AttributeError, TypeError):  # no ufunc, or none for these types
            return None
        if found != wanted:
            return None
        return f"{self.known(ufunc)}({', '.join(names)})"

    def choose(self, out, condition, yes, no):
        """Write a switch on one condition as a choice between whole arrays."""
        shape = out.type.shape
        if not (is_scalar(condition) and out.type.dtype == "float64" and static(shape)):
            return False
        if is_scalar(out):
            return False
        names = []
        for v in (yes, no):
            if is_number(v):
                names.append(f"full({shape}, {self.scalar(v)})")
            elif v.type.shape == shape and v.type.dtype == "float64":
                fresh = v.owner and isinstance(v.owner.op, Elemwise)
                names.append(self.array(v) if fresh else f"{self.array(v)}.copy()")
            else:
                return False
        self.set(out, f"{names[0]} if {self.scalar(condition)} else {names[1]}")
        return True

    def check_broadcast(self, node):
        """Keep the check for accidental broadcasting unless shapes rule it out."""
        arrays = [v for v in node.inputs if v.type.ndim and not is_number(v)]
        shapes = [v.type.shape for v in arrays]
        if len(arrays) < 2 or all(
            len({n for n in lengths if n != 1}) < 2 and static(lengths)
            for lengths in zip(*shapes, strict=True)
        ):
            return
        names = ", ".join(self.array(v) for v in arrays)
        check = self.known(
            lambda *inputs: Elemwise._check_runtime_broadcast(
                SimpleNode(arrays), inputs
            )
        )
        if len({v.type.broadcastable for v in arrays}) == 1:
            first, *rest = (f"{self.array(v)}.shape" for v in arrays)
            different = " or ".join(f"{first} != {other}" for other in rest)
            self.add(f"if {different}: {check}({names})")
        else:
            self.add(f"{check}({names})")

    # ── Reductions ──

    def is_vector_sum(self, node):
        """Whether a node adds up a whole vector of float64."""
        (x, *_), (out, *_) = node.inputs or [None], node.outputs
        return (
            isinstance(node.op, CAReduce)
            and node.op.ufunc is np.add
            and x.type.ndim == 1
            and static(x.type.shape)
            and x.type.shape != (1,)
            and x.type.dtype == node.op.acc_dtype == out.type.dtype == "float64"
        )

    def opens(self, x, kinds):
        """Whether a vector is only there to be added up, and an operation of a kind."""
        node = x.owner
        return (
            node is not None
            and isinstance(node.op, Elemwise)
            and isinstance(node.op.scalar_op, kinds)
            and len(self.fgraph.clients[x]) == 1
            and all(
                is_number(v)
                or (v.type.dtype, v.type.shape) == ("float64", x.type.shape)
                for v in node.inputs
            )
            and (
                not isinstance(node.op.scalar_op, ps.TrueDiv)
                or isinstance(node.inputs[1], Constant)
            )
        )

    def look_into_sum(self, x):
        """Mark the nodes whose sum is cheaper to write than they are themselves.

        The sum of a + k * b**2, with a and k constant, is sum(a) + k * b.dot(b).
        """
        if self.opens(x, TERMS):
            self.within_sums.add(x.owner)
            for v in x.owner.inputs:
                self.look_into_sum(v)
        elif self.opens(x, FACTORS):
            _, arrays, nodes = self.factors_of(x)
            self.within_sums.update(nodes)
            if len(arrays) == 1:
                self.look_into_sum(arrays[0])

    def factors_of(self, x):
        """Take a product apart: its numbers, its vectors, and the nodes this opens."""
        if is_number(x):
            return [x], [], []
        if not self.opens(x, FACTORS):
            return [], [x], []
        node = x.owner
        inputs = list(node.inputs)
        if isinstance(node.op.scalar_op, ps.Sqr):
            inputs *= 2
        elif isinstance(node.op.scalar_op, ps.TrueDiv):
            with np.errstate(all="ignore"):
                inputs[1] = constant(1 / inputs[1].data.astype(float))
        found = [self.factors_of(v) for v in inputs]
        numbers, arrays, nodes = (list(chain(*parts)) for parts in zip(*found))
        return numbers, arrays, [*nodes, node]

    def sum_of(self, x, length):
        """Write the sum of a vector of so many elements as an expression of floats."""
        if is_number(x):
            return f"{length} * {self.scalar(x)}"
        if isinstance(x, Constant):
            return f"({x.data.sum().item()})"
        if x.owner not in self.within_sums:
            return f"add_reduce({self.array(x)}).item()"
        if self.opens(x, TERMS):
            terms = [self.sum_of(v, length) for v in x.owner.inputs]
            return f"({call(SCALAR[type(x.owner.op.scalar_op)], terms)})"
        numbers, arrays, _ = self.factors_of(x)
        factors = [self.scalar(v) for v in numbers]
        if len(arrays) == 1:
            factors.append(self.sum_of(arrays[0], length))
        else:
            *left, right = [self.array(v) for v in arrays]
            factors.append(f"({' * '.join(left)}).dot({right}).item()")
        return " * ".join(factors)

    def reduce(self, node):
        op, (x,), (out,) = node.op, node.inputs, node.outputs
        accumulated = op.acc_dtype or out.type.dtype
        if op.ufunc not in REDUCTIONS or not (
            x.type.dtype == accumulated == out.type.dtype
        ):
            return self.perform(node)
        if x.owner in self.within_sums:
            return self.set_scalar(out, self.sum_of(x, x.type.shape[0]))
        if is_scalar(x):
            return self.same(out, x)
        whole = op.axis is None or len(op.axis) == x.type.ndim
        name, reduction = self.array(x), f"{REDUCTIONS[op.ufunc]}_reduce"
        if x.type.ndim == 1 and whole:
            return self.set(out, f"{reduction}({name})", exact=False)
        axis = None if whole else tuple(op.axis)
        return self.set(out, f"{reduction}({name}, {axis})", exact=False)

    def dot(self, node):
        x, y = node.inputs
        (out,) = node.outputs
        if x.type.dtype == y.type.dtype == "float64" and x.type.ndim and y.type.ndim:
            return self.set(out, f"{self.array(x)}.dot({self.array(y)})", exact=False)
        return self.perform(node)

    # ── Shapes ──

    def dimshuffle(self, node):
        op, (x,), (out,) = node.op, node.inputs, node.outputs
        if is_scalar(x):
            return self.same(out, x)
        if is_scalar(out):
            return self.set(out, self.array(x))
        if any(x.type.shape[d] != 1 for d in op.drop) or not out.type.ndim:
            return self.perform(node)
        name = self.array(x)
        if op.drop:
            index = ["0" if d in op.drop else ":" for d in range(x.type.ndim)]
            name = f"{name}[{', '.join(index)}]"
        kept = sorted(op.shuffle)
        if list(op.shuffle) != kept:
            name += f".transpose({tuple(kept.index(d) for d in op.shuffle)})"
        if op.augment:
            index = ["None" if d == "x" else ":" for d in op.new_order]
            name += f"[{', '.join(index)}]"
        return self.set(out, name)

    def reshape(self, node):
        x, out = node.inputs[0], node.outputs[0]
        if is_scalar(x) and is_scalar(out):
            return self.same(out, x)
        if static(out.type.shape) and isinstance(node.inputs[1], Constant):
            return self.set(out, f"{self.array(x)}.reshape({out.type.shape})")
        return self.perform(node)

    def specify_shape(self, node):
        (x, *lengths), (out,) = node.inputs, node.outputs
        if is_scalar(x) and is_scalar(out):
            return self.same(out, x)
        if not all(isinstance(n, Constant) and n.data is not None for n in lengths):
            return self.perform(node)
        shape = tuple(int(n.data) for n in lengths)
        name = self.arrays[out] = self.array(x)
        if x.type.shape != shape:
            wrong = self.known(thunk_of(node))
            others = ", ".join(self.array(n) for n in lengths)
            self.add(f"if {name}.shape != {shape}: {wrong}({name}, {others})")
        return None

    def shape_i(self, node):
        self.set(
            node.outputs[0],
            f"array({self.array(node.inputs[0])}.shape[{node.op.i}], 'int64')",
        )

    def alloc(self, node):
        (x, *_), (out,) = node.inputs, node.outputs
        if is_scalar(x) and is_scalar(out):
            return self.same(out, x)
        if is_scalar(x) and static(out.type.shape) and x.type.dtype == "float64":
            return self.set(out, f"full({out.type.shape}, {self.scalar(x)})")
        return self.perform(node)

    def copy(self, node):
        (x,), (out,) = node.inputs, node.outputs
        if x in self.scalars and is_scalar(out):
            return self.same(out, x)
        if is_tensor(x):
            return self.set(out, f"{self.array(x)}.copy()")
        return self.perform(node)

    def view(self, node):
        self.arrays[node.outputs[0]] = self.array(node.inputs[0])

    def join(self, node):
        """Write float64 vectors of known lengths one by one into a new one."""
        parts, (out,) = node.inputs, node.outputs
        total = out.type.shape
        if not (
            out.type.ndim == 1
            and static(total)
            and all(v.type.dtype == "float64" and static(v.type.shape) for v in parts)
        ):
            return self.perform(node)
        name = self.let(f"empty({total[0]})")
        start = 0
        for v in parts:
            (length,) = v.type.shape
            if length == 1:
                self.add(f"{name}[{start}] = {self.scalar(v)}")
            elif length:
                self.add(f"{name}[{start}:{start + length}] = {self.array(v)}")
            start += length
        if total == (1,):
            return self.set(out, name)
        self.arrays[out] = name
        return None

    def make_vector(self, node):
        parts, (out,) = node.inputs, node.outputs
        if len(parts) == 1 and is_scalar(parts[0]) and is_scalar(out):
            return self.same(out, parts[0])
        if out.type.dtype in ("float64", "bool") and all(is_number(v) for v in parts):
            names = ", ".join(self.scalar(v) for v in parts)
            return self.set(out, f"array([{names}], {out.type.dtype!r})")
        return self.perform(node)

    # ── Indexing ──

    def subtensor(self, node):
        (x, *_), (out,) = node.inputs, node.outputs
        index = []
        for entry in unflatten_index_variables(node.inputs[1:], node.op.idx_list):
            if isinstance(entry, slice):
                parts = [
                    "" if part is None else self.index(part)
                    for part in (entry.start, entry.stop, entry.step)
                ]
                index.append(":".join(parts if parts[2] else parts[:2]))
            else:
                index.append(self.index(entry))
        if len(index) == x.type.ndim == 1 and is_scalar(out) and ":" not in index[0]:
            # Not ``item``, which takes no NumPy integer.
            return self.set(out, f"{self.array(x)}[{index[0]}]")
        return self.set(
            out, f"{self.array(x)}[{', '.join(index) or '()'}]", exact=False
        )

    def index(self, variable):
        if isinstance(variable, Constant):
            return str(int(variable.data))
        return self.array(variable)

    def advanced_subtensor(self, node):
        op, (x, *indices), (out,) = node.op, node.inputs, node.outputs
        if (
            op.idx_list == (0,)
            and is_tensor(indices[0])
            and indices[0].type.dtype != "bool"
            and indices[0].type.ndim
        ):
            if isinstance(indices[0], Constant):  # of a browser's 32 bits, for take
                where = self.known(indices[0].data.astype(np.intp))
                return self.set(out, f"{self.array(x)}.take({where}, 0)")
            return self.set(out, f"{self.array(x)}[{self.array(indices[0])}]")
        return self.perform(node)

    def advanced_inc_subtensor(self, node):
        """Write the gradient of indexing by group as a weighted count."""
        op, (x, y, *indices), (out,) = node.op, node.inputs, node.outputs
        index, size = indices[0], x.type.shape
        if (
            op.idx_list == (0,)
            and not (op.set_instead_of_inc or op.ignore_duplicates)
            and x.type.ndim == y.type.ndim == 1
            and static(size)
            and x.type.dtype == y.type.dtype == "float64"
            and isinstance(index, Constant)
            and index.data.dtype.kind in "iu"
            and index.data.shape == y.type.shape
            and index.data.size
            and 0 <= index.data.min() <= index.data.max() < size[0]
        ):
            where = self.known(index.data.astype(np.intp))
            counts = f"bincount({where}, {self.array(y)}, {size[0]})"
            zero = isinstance(x, Constant) and not x.data.any()
            return self.set(out, counts if zero else f"{self.array(x)} + {counts}")
        return self.perform(node)


class SimpleNode:
    """What Elemwise's check of broadcasting asks of a node: the types of its inputs."""

    def __init__(self, inputs):
        self.inputs = inputs


TERMS, FACTORS = (ps.Add, ps.Sub, ps.Neg), (ps.Mul, ps.Sqr, ps.TrueDiv)
PLAIN = {"float64", "bool"} | {f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)}
WRITERS = {
    Elemwise: Writer.elemwise,
    CAReduce: Writer.reduce,
    Dot: Writer.dot,
    DimShuffle: Writer.dimshuffle,
    Reshape: Writer.reshape,
    SpecifyShape: Writer.specify_shape,
    Shape_i: Writer.shape_i,
    Alloc: Writer.alloc,
    DeepCopyOp: Writer.copy,
    ViewOp: Writer.view,
    Join: Writer.join,
    MakeVector: Writer.make_vector,
    Subtensor: Writer.subtensor,
    AdvancedSubtensor: Writer.advanced_subtensor,
    AdvancedIncSubtensor: Writer.advanced_inc_subtensor,
}


def constant_of(variable):
    """Return the number that a variable always is, or None."""
    if is_number(variable) and isinstance(variable, Constant):
        return float(variable.data.item())
    return None


def ufunc_of(op, count):
    """Return the ufunc of a scalar operation of so many inputs, or None."""
    spec = getattr(op, "nfunc_spec", None)
    if not spec or spec[1:] != (count, 1):
        return None
    ufunc = import_func_from_string(spec[0])
    return ufunc if isinstance(ufunc, np.ufunc) else None


def thunk_of(node):
    """Return a function of a node's inputs that runs its ``perform`` or its thunk."""
    storage = {v: [None] for v in (*node.inputs, *node.outputs)}
    computed = {v: [v in node.inputs] for v in storage}
    for v in node.inputs:
        if isinstance(v, Constant):
            storage[v][0] = v.data
    thunk = node.op.make_thunk(node, storage, computed, [], impl="py")
    ins, outs = [[storage[v] for v in vs] for vs in (node.inputs, node.outputs)]

    def run(*values):
        for cell, value in zip(ins, values, strict=True):
            cell[0] = value
        for cell in outs:  # nothing to write into that an earlier call has handed out
            cell[0] = None
        thunk()
        return [cell[0] for cell in outs]

    return run


class NumpyLinker(JITLinker):
    """Turns a graph into one Python function of NumPy calls."""

    required_rewrites = ("minimum_compile", "py_only")
    incompatible_rewrites = ("cxx_only", "BlasOpt", "fusion")

    def fgraph_convert(self, fgraph, order=None, **_):
        writer = Writer(fgraph, fgraph.toposort() if order is None else order)
        inputs = ", ".join(f"i{n}" for n in range(len(fgraph.inputs)))
        outputs = "".join(f"{name}, " for name in writer.outputs)
        body = [*writer.lines, f"return ({outputs})"]
        source = "\n".join([f"def graph({inputs}):", *(f"    {line}" for line in body)])
        exec(compile(source, "<graph>", "exec"), writer.names)
        graph = writer.names["graph"]
        graph.source, graph.nodes = source, writer.nodes
        return graph

    def jit_compile(self, fn):
        return fn

    def create_thunk_inputs(self, storage_map):
        return [storage_map[v] for v in self.fgraph.inputs]

    def create_jitable_thunk(
        self, compute_map, order, input_storage, output_storage, storage_map
    ):
        graph = self.fgraph_convert(self.fgraph, order=order)
        inputs = self.create_thunk_inputs(storage_map)
        outputs = [storage_map[v] for v in self.fgraph.outputs]
        kinds = [(v.type.dtype, v.type.ndim) if is_scalar(v) else None
                 for v in self.fgraph.outputs]  # fmt: skip
        results = list(zip(outputs, kinds, strict=True))

        def thunk():
            try:
                with np.errstate(all="ignore"):
                    values = graph(*[cell[0] for cell in inputs])
            except Exception as error:
                if (node := node_of(error, graph)) is None:
                    raise
                raise_with_op(self.fgraph, node)
            for (cell, kind), value in zip(results, values, strict=True):
                if kind is not None and not isinstance(value, np.ndarray):
                    value = np.array(value, kind[0], ndmin=kind[1])
                cell[0] = value

        thunk.inputs, thunk.outputs, thunk.lazy = inputs, outputs, False
        nodes = [v.owner for v in self.fgraph.outputs if v.owner is not None][:1]
        return [thunk], nodes, graph


def node_of(error, graph):
    """Return the node whose line raised an error."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is graph.__code__:
            line = trace.tb_lineno - 2  # below the head, counted from one
            return graph.nodes[line] if line < len(graph.nodes) else None
        trace = trace.tb_next
    return None


# The rewrites that make a graph smaller. Those left out make it quicker for a compiler
# only: fused loops, memory written in place, calls of BLAS by hand.
REWRITES = modes.OPT_FAST_RUN.excluding("fusion", "inplace", "BlasOpt")
REWRITES.name = "OPT_NUMPY"


def install():
    """Let every function that PyTensor compiles from here on be one of NumPy calls."""
    modes.predefined_linkers["vm"] = NumpyLinker()
    modes.predefined_optimizers["fast_compile"] = REWRITES
    modes._CACHED_RUNTIME_MODES.clear()  # modes that were made with the old ones

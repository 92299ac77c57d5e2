"""Backpropagation on a graph small enough to do by hand: its numbers and its words.

    z = w1 x + b1    h = logistic(z)    y = w2 h + b2    L = 1/2 (t - y)^2

Forward, one node a step: its value. Backward, one edge a step: its local derivative,
times what has come from the loss so far. Last, the update of the four weights.
backpropagation.py draws it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from course_utils.locale import _

WEIGHTS = ("w1", "b1", "w2", "b2")
FORWARD = ("z", "h", "y", "L")  # the nodes in the order in which they are computed
BACKWARD = ("y", "w2", "b2", "h", "z", "w1", "b1")  # and those the gradient reaches
# Where each node's only arrow leads; its local derivative, as a formula. The data, x
# and t, stay as they are: nobody asks for their derivatives.
LEADS_TO = {"y": "L", "w2": "y", "b2": "y", "h": "y", "z": "h", "w1": "z", "b1": "z"}
LOCAL = {"y": "y − t", "w2": "h", "b2": "1", "h": "w₂", "z": "h(1 − h)"}
LOCAL |= {"w1": "x", "b1": "1"}
LAST = len(FORWARD) + len(BACKWARD) + 1  # the step of the update
LIMIT, FASTEST = 20, 10  # of an input or a weight; of the learning rate


# --- the arithmetic -------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """One example, four weights, a learning rate; and all that follows from them.

    x: the input. t: the target. w: (w1, b1, w2, b2). Numbers from -20 to 20.
    lr: the learning rate, 0 to 10.
    values: node -> value. local: node -> derivative of the node it leads to with
    respect to it. gradients: node -> derivative of L with respect to it.
    updated: the four weights after one step of gradient descent; loss: L with these.
    Raises ValueError naming the number that is missing or out of range.
    """

    x: float = 2.0
    t: float = 1.0
    w: Sequence[float] = (0.5, 0.1, 0.8, -0.2)
    lr: float = 0.5
    values: dict[str, float] = field(init=False, repr=False)
    local: dict[str, float] = field(init=False, repr=False)
    gradients: dict[str, float] = field(init=False, repr=False)
    updated: dict[str, float] = field(init=False, repr=False)
    loss: float = field(init=False, repr=False)

    def __post_init__(self):
        given = _checked(self.x, self.t, self.w, self.lr)
        v = forward(**given)
        local = {"y": v["y"] - v["t"], "w2": v["h"], "b2": 1.0, "h": v["w2"]}
        # h(1 - h), without the digits that 1 - h loses where h is close to 1.
        local |= {"z": _logistic(v["z"]) * _logistic(-v["z"])}
        local |= {"w1": v["x"], "b1": 1.0}
        gradients = {"L": 1.0}
        for node in BACKWARD:
            gradients[node] = gradients[LEADS_TO[node]] * local[node]
        updated = {name: v[name] - self.lr * gradients[name] for name in WEIGHTS}
        loss = forward(v["x"], v["t"], **updated)["L"]
        for name, value in (
            ("values", v),
            ("local", local),
            ("gradients", gradients),
            ("updated", updated),
            ("loss", loss),
        ):
            object.__setattr__(self, name, value)  # frozen: set once, here


def forward(x, t, w1, b1, w2, b2) -> dict[str, float]:
    """The value of every node, by name."""
    z = w1 * x + b1
    h = _logistic(z)
    y = w2 * h + b2
    given = {"x": x, "t": t, "w1": w1, "b1": b1, "w2": w2, "b2": b2}
    return {**given, "z": z, "h": h, "y": y, "L": 0.5 * (t - y) ** 2}


def _logistic(z: float) -> float:
    small = math.exp(-abs(z))  # at most 1: it cannot overflow
    return (1 if z >= 0 else small) / (1 + small)


def _checked(x, t, w, lr) -> dict[str, float]:
    if len(w) != len(WEIGHTS):
        raise ValueError(
            _("w must hold four numbers, w1, b1, w2 and b2; got {n}.").format(n=len(w))
        )
    given = {"x": x, "t": t, **dict(zip(WEIGHTS, w, strict=True))}
    for name, value in given.items():
        if not abs(value) <= LIMIT:
            raise ValueError(
                _("{name} must be a number from −{n} to {n}, got {value!r}.").format(
                    name=name, n=LIMIT, value=value
                )
            )
    if not 0 <= lr <= FASTEST:
        raise ValueError(
            _("The learning rate must lie between 0 and {n}, got {value!r}.").format(
                n=FASTEST, value=lr
            )
        )
    return {name: float(value) for name, value in given.items()}


# --- in words -------------------------------------------------------------------------


class Step(NamedTuple):
    """What one step says, and what the drawing shows of it."""

    phase: str  # start, forward, backward or update
    node: str  # the node that is computed or reached, "" where there is none
    title: str
    equation: str
    chain: tuple[str, ...]  # the whole chain of products; at the end the four updates
    sentence: str


def number(value: float) -> str:
    """Four significant digits without needless zeros, powers of ten where very small
    or large: 0.7503, −12.35, 1.23·10⁻⁵."""
    digits = _decimals(value)
    if digits is None:
        text, power = f"{value:.2e}".split("e")
        power = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = f"{text.rstrip('0').rstrip('.')}·10{power}"
    else:
        text = f"{value + 0.0:.{digits}f}"  # + 0.0 turns -0.0 into 0.0
        text = text.rstrip("0").rstrip(".") if digits else text
    return text.replace("-", "−")


def _decimals(value: float) -> int | None:
    """How many decimals `number` writes, before it drops zeros; None: a power of ten"""
    if value == 0:
        return 0
    if not 1e-3 <= abs(value) < 1e6:
        return None
    return max(0, 3 - math.floor(math.log10(abs(value))))


def _exact(value: float) -> bool:
    """Whether `number` writes all digits of a value, but for a float's own error."""
    digits = _decimals(value)
    written = float(f"{value:.2e}") if digits is None else round(value, digits)
    return math.isclose(written, value, rel_tol=1e-12)


def relation(*values: float) -> str:
    return "=" if all(map(_exact, values)) else "≈"


def stated(name: str, value: float) -> str:
    return f"{name} {relation(value)} {number(value)}"


def _factor(value: float) -> str:
    """A number inside a sum or a product: in brackets where it has a minus sign."""
    return f"({number(value)})" if value < 0 else number(value)


def symbol(name: str) -> str:
    """w1 as it is written: w₁."""
    return name.translate(str.maketrans("12", "₁₂"))


def derivative_of(above: str, below: str) -> str:
    return f"∂{symbol(above)}/∂{symbol(below)}"


def steps(settings: Settings) -> list[Step]:
    """All steps, from 0, where nothing is computed, to `LAST`, the update."""
    start = _start_step(settings)
    there = [_forward_step(settings, node) for node in FORWARD]
    back = [_backward_step(settings, node) for node in BACKWARD]
    return [start, *there, *back, _update_step(settings)]


def describe(settings: Settings, step: int) -> str:
    """A step in words: the alternative text of its picture."""
    now = steps(settings)[step]
    title = _("Backpropagation, step {step} of {n}: {title}.").format(
        step=step, n=LAST, title=now.title
    )
    return " ".join(filter(None, (title, now.equation, *now.chain, now.sentence)))


def _start_step(settings: Settings) -> Step:
    equation = "y = w₂ γ₁(w₁ x + b₁) + b₂,   L = ½ (t − y)²"
    sentence = _(
        "One hidden neuron with the logistic as γ₁, a linear output, the loss L. Given "
        "are {x}, {t} and four weights; nothing is computed yet. Go forward, one node "
        "at a time."
    ).format(x=stated("x", settings.x), t=stated("t", settings.t))
    return Step("start", "", _("Start"), equation, (), sentence)


def _forward_step(settings: Settings, node: str) -> Step:
    v = settings.values
    formula, filled, inputs = {
        "z": ("w₁·x + b₁", "{w1}·{x} + {b1}", ("w1", "x", "b1")),
        "h": ("1 / (1 + e^(−z))", "1 / (1 + e^({minus_z}))", ("z",)),
        "y": ("w₂·h + b₂", "{w2}·{h} + {b2}", ("w2", "h", "b2")),
        "L": ("½ (t − y)²", "½ ({t} − {y})²", ("t", "y")),
    }[node]
    factors = {name: _factor(value) for name, value in v.items()}
    factors["t"] = number(v["t"])  # it comes first: no brackets
    filled = filled.format(minus_z=number(-v["z"]), **factors)
    signs = relation(*(v[i] for i in inputs)), relation(v[node])
    equation = f"{node} = {formula} {signs[0]} {filled} {signs[1]} {number(v[node])}"
    sentence = {
        "z": _(
            "The hidden neuron weighs its input, {w1} times {x}, and adds the bias "
            "{b1}: {z}."
        ),
        "h": _("The logistic squeezes {z} in between 0 and 1: {h}."),
        "y": _(
            "The output neuron is linear: {w2} times {h}, plus the bias {b2}, gives "
            "the prediction {y}."
        ),
        "L": _(
            "The target is {t}, the prediction {y}: half the square of their "
            "difference is the loss, {L}. Here the forward phase ends; every node "
            "knows its value."
        ),
    }[node]
    said = {name: stated(symbol(name), value) for name, value in v.items()}
    title = _("Forward phase, node {node}").format(node=node)
    return Step("forward", node, title, equation, (), sentence.format(**said))


def way_back(node: str) -> list[str]:
    """The nodes on the way from the loss back to this one."""
    way = [node]
    while LEADS_TO[way[0]] != "L":
        way.insert(0, LEADS_TO[way[0]])
    return way


def _backward_step(settings: Settings, node: str) -> Step:
    v, local, gradients = settings.values, settings.local, settings.gradients
    to, whole, result = LEADS_TO[node], derivative_of("L", node), gradients[node]
    end = f"{relation(result)} {number(result)}"
    if to == "L":
        y, t = v["y"], v["t"]
        filled = f"{relation(y, t)} {number(y)} − {_factor(t)} {end}"
        equation, chain = f"{whole} = y − t {filled}", ()
    else:
        product = f"{_factor(gradients[to])} · {_factor(local[node])}"
        sign = relation(gradients[to], local[node])
        letters = f"{derivative_of('L', to)} · {derivative_of(to, node)}"
        equation = f"{whole} = {letters} {sign} {product} {end}"
        way, chain = way_back(node), ()
        if len(way) > 2:  # or it would repeat the equation
            letters = " · ".join(derivative_of(LEADS_TO[n], n) for n in way)
            product = " · ".join(_factor(local[n]) for n in way)
            sign = relation(*(local[n] for n in way))
            chain = (f"{whole} = {letters} {sign} {product} {end}",)
    sentence = {
        "y": _(
            "Now backwards, from the loss. The derivative of ½ (t − y)² with respect "
            "to y is y − t: move y by a little, and L moves by {local} times as much."
        ),
        "h": _(
            "In y, h is multiplied by w₂, so {local} comes in: {result}. Only one "
            "arrow leaves h; from a node with several, each brings back its own "
            "product, and they are added."
        ),
        "z": _(
            "The slope of the logistic at z is {local}, never more than 0.25: the "
            "gradient shrinks to {result}."
        ),
        "w2": _(
            "In y, w₂ is multiplied by h: the local derivative is {local}. Times the "
            "{before} that waits in the node y: {result}."
        ),
        "w1": _(
            "In z, w₁ is multiplied by x: the local derivative is {local}. Times the "
            "{before} that waits in the node z: {result}."
        ),
        "b2": _("b₂ is only added: its local derivative is 1, and {result} as in y."),
        "b1": _(
            "b₁ is only added: its local derivative is 1, and {result} as in z. All "
            "four weights have their derivative."
        ),
    }[node]
    said = sentence.format(
        local=stated(LOCAL[node], local[node]) if node != "y" else number(local["y"]),
        before=stated(derivative_of("L", to), gradients[to]),
        result=stated(whole, result),
    )
    title = _("Backward phase, edge from {to} to {node}").format(
        to=to, node=symbol(node)
    )
    return Step("backward", node, title, equation, chain, said)


def _update_step(settings: Settings) -> Step:
    v, new, lr = settings.values, settings.updated, settings.lr
    updates = []
    for name in WEIGHTS:
        slope = settings.gradients[name]
        sign = relation(v[name], lr, slope, new[name])
        change = f"{number(v[name])} − {number(lr)}·{_factor(slope)}"
        updates.append(f"{symbol(name)} ← {change} {sign} {number(new[name])}")
    sentence = _(
        "Each weight goes {lr} times its derivative downhill, and the loss falls from "
        "{before} to {after}. (In the formula, t counts the updates.)"
    )
    if all(new[name] == v[name] for name in WEIGHTS):
        sentence = _(
            "With {lr} and these derivatives no weight moves: the loss stays {before}. "
            "(In the formula, t counts the updates.)"
        )
    elif settings.loss > v["L"]:
        sentence = _(
            "Each weight goes {lr} times its derivative downhill, but so far that the "
            "loss rises from {before} to {after}: this learning rate is too high. (In "
            "the formula, t counts the updates.)"
        )
    said = sentence.format(
        lr=stated("α", lr), before=number(v["L"]), after=number(settings.loss)
    )
    equation = "w(t + 1) = w(t) − α(t) ∇L"
    return Step("update", "", _("Update"), equation, tuple(updates), said)

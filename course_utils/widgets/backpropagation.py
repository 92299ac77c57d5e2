"""Backpropagation, one step at a time, on a graph small enough to do by hand.

    z = w1 x + b1    h = logistic(z)    y = w2 h + b2    L = 1/2 (t - y)^2

Forward, one node a step: its value. Backward, one edge a step: the local derivative is
written on the edge, the product of those from the loss to here into the node it leads
to. Last, the update of the four weights. All but the controls is a pure function of
`Settings` and the number of the step.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from course_utils.locale import _
from course_utils.widgets.base import (
    GRID,
    INK,
    MUTED,
    PAPER,
    Box,
    Curve,
    Interactive,
    Panel,
    Text,
    panels_to_html,
    panels_to_png,
)

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


def _sign(*values: float) -> str:
    return "=" if all(map(_exact, values)) else "≈"


def _is(name: str, value: float) -> str:
    return f"{name} {_sign(value)} {number(value)}"


def _factor(value: float) -> str:
    """A number inside a sum or a product: in brackets where it has a minus sign."""
    return f"({number(value)})" if value < 0 else number(value)


def symbol(name: str) -> str:
    """w1 as it is written: w₁."""
    return name.translate(str.maketrans("12", "₁₂"))


def _of(above: str, below: str) -> str:
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
    ).format(x=_is("x", settings.x), t=_is("t", settings.t))
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
    signs = _sign(*(v[i] for i in inputs)), _sign(v[node])
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
    said = {name: _is(symbol(name), value) for name, value in v.items()}
    title = _("Forward phase, node {node}").format(node=node)
    return Step("forward", node, title, equation, (), sentence.format(**said))


def _chain(node: str) -> list[str]:
    """The nodes on the way from the loss back to this one."""
    way = [node]
    while LEADS_TO[way[0]] != "L":
        way.insert(0, LEADS_TO[way[0]])
    return way


def _backward_step(settings: Settings, node: str) -> Step:
    v, local, gradients = settings.values, settings.local, settings.gradients
    to, whole, result = LEADS_TO[node], _of("L", node), gradients[node]
    end = f"{_sign(result)} {number(result)}"
    if to == "L":
        y, t = v["y"], v["t"]
        filled = f"{_sign(y, t)} {number(y)} − {_factor(t)} {end}"
        equation, chain = f"{whole} = y − t {filled}", ()
    else:
        product = f"{_factor(gradients[to])} · {_factor(local[node])}"
        sign = _sign(gradients[to], local[node])
        letters = f"{_of('L', to)} · {_of(to, node)}"
        equation = f"{whole} = {letters} {sign} {product} {end}"
        way, chain = _chain(node), ()
        if len(way) > 2:  # or it would repeat the equation
            letters = " · ".join(_of(LEADS_TO[n], n) for n in way)
            product = " · ".join(_factor(local[n]) for n in way)
            sign = _sign(*(local[n] for n in way))
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
        local=_is(LOCAL[node], local[node]) if node != "y" else number(local["y"]),
        before=_is(_of("L", to), gradients[to]),
        result=_is(whole, result),
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
        sign = _sign(v[name], lr, slope, new[name])
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
        lr=_is("α", lr), before=number(v["L"]), after=number(settings.loss)
    )
    equation = "w(t + 1) = w(t) − α(t) ∇L"
    return Step("update", "", _("Update"), equation, tuple(updates), said)


# --- the drawing ----------------------------------------------------------------------

# Column and row of each node; lengths in pixels.
PLACES = {"w1": (0, 0), "x": (0, 1), "b1": (0, 2), "z": (1, 1), "h": (2, 1)}
PLACES |= {"w2": (2, 0), "b2": (2, 2), "y": (3, 1), "t": (4, 0), "L": (4, 1)}
EDGES = [("x", "z"), ("t", "L"), *LEADS_TO.items()]
WIDE, HIGH, COLUMN, ROW, TOP = 116, 48, 186, 108, 66  # of a node; between; above them
WIDTH, HEIGHT = 4 * COLUMN + WIDE, TOP + 2 * ROW + HIGH + 106
THERE, BACK = "#0072B2", "#B04A00"  # blue forward, orange backward
PALE = {THERE: "#E3EEF7", BACK: "#FBE9DC"}
LETTER, LINE = 0.56, 124  # a letter's width in sizes; letters in a line of words


def render_html(settings: Settings, step: int) -> str:
    """The live view of a step."""
    return panels_to_html([_panel(settings, step)])


def render_png(settings: Settings, step: int) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png([_panel(settings, step)])


def _panel(settings: Settings, step: int) -> Panel:
    now = steps(settings)[step]
    back = now.phase in ("backward", "update")
    color = BACK if back else THERE
    title = _("Step {step} of {n}. {title}").format(step=step, n=LAST, title=now.title)
    shapes = [
        Text(0, 10, title, 13, color, "left", bold=True),
        Text(0, 38, now.equation, 17, INK, "left", bold=True),
    ]
    for edge in EDGES:
        shapes += _edge(settings, now, step, *edge)
    for node in PLACES:
        shapes += _node(settings, now, step, node)
    y = TOP + 2 * ROW + HIGH + 26
    for i, line in enumerate(now.chain):
        # The four updates stand in two columns, one for each layer.
        column, row = divmod(i, 2)
        at = (column * WIDTH / 2, y + 20 * row)
        shapes.append(Text(*at, line, 13.5, BACK, "left", bold=True))
    y += 20 * min(2, len(now.chain)) + 4 * bool(now.chain)
    # No line ends between a name and its number: those blanks do not break.
    words = now.sentence.replace(" = ", "\u00a0=\u00a0").replace(" ≈ ", "\u00a0≈\u00a0")
    for i, line in enumerate(textwrap.wrap(words, LINE)):
        shapes.append(Text(0, y + 19 * i, line, 13.5, INK, "left"))
    return Panel(shapes, describe(settings, step), WIDTH, HEIGHT)


def _known(node: str, step: int) -> bool:
    return node not in FORWARD or step > FORWARD.index(node)


def _reached(node: str, step: int) -> bool:
    """Whether the gradient has come back to a node."""
    after = step - len(FORWARD)
    return after > (BACKWARD.index(node) if node in BACKWARD else 0) and (
        node in BACKWARD or node == "L"
    )


def _center(node: str) -> tuple[float, float]:
    column, row = PLACES[node]
    return WIDE / 2 + column * COLUMN, TOP + HIGH / 2 + row * ROW


def _node(settings: Settings, now: Step, step: int, node: str) -> list:
    """A box with the node's value and, below, what it is, later its gradient."""
    x, y = _center(node)
    known, reached = _known(node, step), _reached(node, step)
    color = BACK if reached else THERE if known else GRID
    value = _is(symbol(node), settings.values[node]) if known else f"{node} = ?"
    below = _is(_of("L", node), settings.gradients[node]) if reached else _names()[node]
    changed = now.phase == "update" and node in (*WEIGHTS, "L")
    if changed:
        below = f"→ {number(settings.updated.get(node, settings.loss))}"
    active = changed or node == now.node
    fill, stroke = (PALE[color], 2.8) if active else (PAPER, 1.3)
    box = (x - WIDE / 2, y - HIGH / 2, WIDE, HIGH)
    return [
        Box(*box, color, stroke, dashed=not known, fill=fill, radius=7),
        _fitted(x, y - 9, value, 13.5, INK if known else MUTED, bold=True),
        _fitted(x, y + 11, below, 12, BACK if reached else MUTED, bold=changed),
    ]


def _fitted(x, y, text, size, color, bold=False, wide=WIDE) -> Text:
    """Centred text, made smaller where it would not fit into so many pixels."""
    letter = LETTER * (1.1 if bold else 1)
    size = min(size, (wide - 8) / (letter * len(text)))
    return Text(x, y, text, size, color, bold=bold)


def _names() -> dict[str, str]:
    names = {"x": _("input"), "z": _("weighted sum"), "h": _("hidden neuron")}
    names |= {"y": _("prediction"), "t": _("target"), "L": _("loss")}
    return names | {name: _("weight") if "w" in name else _("bias") for name in WEIGHTS}


def _edge(settings: Settings, now: Step, step: int, source: str, target: str) -> list:
    """An arrow; where the gradient has walked it, backwards and with its derivative."""
    ends = _ends(source, target)
    if source in BACKWARD and _reached(source, step):
        on_chain = now.phase == "backward" and source in _chain(now.node)
        label = _derivative(settings, source, target, bold=source == now.node)
        return [*_arrow(*ends[::-1], BACK, 3 if on_chain else 1.3), *label]
    if now.phase == "forward" and target == now.node:
        return _arrow(*ends, THERE, 3)
    known = _known(target, step)
    return _arrow(*ends, THERE if known else GRID, 1.3, dashed=not known)


def _ends(source: str, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Where an arrow leaves its box and where it meets the other."""
    (x0, y0), (x1, y1) = _center(source), _center(target)
    start, end = np.array([x0 + WIDE / 2, y0]), np.array([x1 - WIDE / 2, y1])
    if y0 != y1:  # from above or from below
        end = np.array([x1, y1 + math.copysign(HIGH / 2, y0 - y1)])
    if x0 == x1:
        start = np.array([x0, y0 + HIGH / 2])
    return start, end


def _arrow(start, end, color: str, stroke: float, dashed: bool = False) -> list[Curve]:
    unit = (end - start) / np.linalg.norm(end - start)
    side = unit[::-1] * (1, -1)
    start, end = start + 3 * unit, end - 3 * unit
    length, half = 7 + 2 * stroke, 3 + stroke
    base = end - length * unit
    head = np.array([end, base + half * side, base - half * side, end])
    line = np.array([start, base])
    return [Curve(line, color, stroke, dashed), Curve(head, "none", 0, fill=color)]


def _derivative(settings: Settings, source: str, target: str, bold: bool) -> list[Text]:
    """The local derivative, written on its edge: formula and number."""
    value, formula = settings.local[source], LOCAL[source]
    lines = [_of(target, source), f"= {formula}", f"{_sign(value)} {number(value)}"]
    (x0, y0), (x1, y1) = _center(source), _center(target)
    if y0 == y1:  # above the arrow
        gap = COLUMN - WIDE
        lines[1] = lines[1].replace(" − ", "−")
        return [
            _fitted((x0 + x1) / 2, y1 - 44 + 15 * i, line, 11.5, BACK, bold, gap)
            for i, line in enumerate(lines)
        ]
    lines = [f"{lines[0]} {lines[1]}", lines[2]]  # beside it
    if formula == number(value):
        lines.pop()  # it says 1 already
    x, y = x1 - WIDE / 2 - 20, y0 - 7 * (len(lines) - 1)
    return [
        Text(x, y + 15 * i, line, 11.5, BACK, "left", bold)
        for i, line in enumerate(lines)
    ]


# --- the controls ---------------------------------------------------------------------


def backpropagation(
    *,
    x: float = 2.0,
    t: float = 1.0,
    w: Sequence[float] = (0.5, 0.1, 0.8, -0.2),
    lr: float = 0.5,
    step: int = 0,
) -> "BackpropagationStepper":
    """Controls around the graph: back, next, the step, and the numbers it starts from.

    x, t, w, lr: the first ones, as in `Settings`. step: the first one, 0 to `LAST`.
    Raises ValueError, a sentence, for a number out of range or a step there is not.
    """
    if step not in range(LAST + 1):
        raise ValueError(
            _("There is no step {step}: they go from 0 to {n}.").format(
                step=step, n=LAST
            )
        )
    return BackpropagationStepper(Settings(x, t, w, lr), step)


class BackpropagationStepper(Interactive):
    """What `backpropagation` returns; its controls can be set from code too.

    back, next: Button. step: IntSlider, 0 to `LAST`. inputs: name -> BoundedFloatText,
    for x, t, w1, b1, w2, b2 and lr. view: HTML. settings: the `Settings` shown now.
    """

    def __init__(self, first: Settings, step: int):
        import ipywidgets as w

        self.settings = first
        self.back = w.Button(description=_("Back"), icon="arrow-left")
        self.next = w.Button(description=_("Next"), icon="arrow-right")
        self.next.button_style = "primary"
        self.step = w.IntSlider(
            value=step,
            min=0,
            max=LAST,
            description=_("Go to step"),
            style={"description_width": "initial"},
            layout=w.Layout(flex="1 1 200px", max_width="440px"),
        )
        numbers = {name: first.values[name] for name in ("x", "t", *WEIGHTS)}
        self.inputs = {name: _box(name, value) for name, value in numbers.items()}
        self.inputs["lr"] = _box("α", first.lr, low=0, high=FASTEST)
        self.view = w.HTML()
        self._show()
        wrap = w.Layout(flex_flow="row wrap")
        rows = [
            w.Box([self.back, self.next, self.step], layout=wrap),
            w.Box(list(self.inputs.values()), layout=wrap),
        ]
        # Who cannot press Next sees the end of the walk: every number is in it.
        picture, alt = render_png(first, LAST), describe(first, LAST)
        super().__init__(w.VBox([*rows, self.view]), picture, alt)

        self.back.on_click(lambda _button: self._go(-1))
        self.next.on_click(lambda _button: self._go(1))
        self.step.observe(lambda _change: self._show(), "value")
        for box in self.inputs.values():
            box.observe(lambda _change: self._number_typed(), "value")

    def _go(self, by: int) -> None:
        self.step.value = min(max(self.step.value + by, 0), LAST)

    def _number_typed(self) -> None:
        x, t, *w, lr = (box.value for box in self.inputs.values())
        self.settings = Settings(x, t, w, lr)
        self._show()

    def _show(self) -> None:
        step = self.step.value
        self.back.disabled, self.next.disabled = step == 0, step == LAST
        self.view.value = render_html(self.settings, step)


def _box(name: str, value: float, low: float = -LIMIT, high: float = LIMIT):
    import ipywidgets as w

    return w.BoundedFloatText(
        value=value,
        min=low,
        max=high,
        step=0.1,
        description=symbol(name),
        style={"description_width": "24px"},
        layout=w.Layout(width="106px"),
    )

"""Backpropagation, one step at a time, on the graph of computational_graph.py.

Forward, one node a step: its value. Backward, one edge a step: the local derivative is
written on the edge, the product of those from the loss to here into the node it leads
to. All but the controls is a pure function of `Settings` and the number of the step.
"""

import math
import textwrap
from collections.abc import Sequence

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
from course_utils.widgets.computational_graph import (
    BACKWARD,
    FASTEST,
    FORWARD,
    LAST,
    LEADS_TO,
    LIMIT,
    LOCAL,
    WEIGHTS,
    Settings,
    Step,
    derivative_of,
    describe,
    number,
    relation,
    stated,
    steps,
    symbol,
    way_back,
)

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
    value = stated(symbol(node), settings.values[node]) if known else f"{node} = ?"
    below = (
        stated(derivative_of("L", node), settings.gradients[node])
        if reached
        else _names()[node]
    )
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
        on_chain = now.phase == "backward" and source in way_back(now.node)
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
    lines = [
        derivative_of(target, source),
        f"= {formula}",
        f"{relation(value)} {number(value)}",
    ]
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

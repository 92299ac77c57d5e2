"""Controls that several interactives use; each has a name for a screen reader."""

from collections.abc import Mapping, Sequence


def dropdown(name: str, choices: Mapping | Sequence, value, width: str = "320px"):
    """A list to choose from. choices: values, or value -> what the list says for it."""
    import ipywidgets as w

    if isinstance(choices, Mapping):
        choices = [(said, key) for key, said in choices.items()]
    return w.Dropdown(
        options=choices,
        value=value,
        description=name,
        layout=w.Layout(width=width),
        style={"description_width": "120px"},
    )


def named_slider(
    name: str, value: float, limits: tuple[float, float], step: float = 0.1
):
    """A slider, and a row that holds it beside a box with the same number.

    A slider's handle has no name for a screen reader; the box has, and it takes the
    arrow keys and typed numbers where the slider is too fine for a hand.
    """
    import ipywidgets as w

    room = w.Layout(flex="1 1 200px", max_width="440px")
    common = {"value": value, "min": limits[0], "max": limits[1], "step": step}
    slider = w.FloatSlider(**common, readout=False, layout=room)
    style = {"description_width": "120px"}
    box = w.BoundedFloatText(
        **common, description=name, style=style, layout=w.Layout(width="210px")
    )
    w.link((slider, "value"), (box, "value"))
    return slider, w.Box([box, slider], layout=w.Layout(flex_flow="row wrap"))

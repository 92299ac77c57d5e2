"""Controls that several interactives use; each has a name for a screen reader."""

from collections.abc import Mapping, Sequence

NAME = {"description_width": "140px"}  # room for the longest name


def dropdown(name: str, choices: Mapping | Sequence, value, width: str = "340px"):
    """A list to choose from. choices: values, or value -> what the list says for it."""
    import ipywidgets as w

    if isinstance(choices, Mapping):
        choices = [(said, key) for key, said in choices.items()]
    return w.Dropdown(
        options=choices,
        value=value,
        description=name,
        layout=w.Layout(width=width),
        style=NAME,
    )


def named_slider(
    name: str, value: float, limits: tuple[float, float], step: float = 0.1
):
    """A slider, and a row that holds it beside a box with the same number.

    step: an int makes both hold whole numbers. A slider's handle has no name for a
    screen reader; the box has, and it takes the arrow keys and typed numbers where the
    slider is too fine for a hand.
    """
    import ipywidgets as w

    whole = isinstance(step, int)
    room = w.Layout(flex="1 1 200px", max_width="440px")
    common = {"value": value, "min": limits[0], "max": limits[1], "step": step}
    slider = (w.IntSlider if whole else w.FloatSlider)(
        **common, readout=False, layout=room
    )
    box = (w.BoundedIntText if whole else w.BoundedFloatText)(
        **common, description=name, style=NAME, layout=w.Layout(width="230px")
    )
    # The browser's slider says 1.0999999999999996 where it stands at 1.1.
    w.link(
        (slider, "value"),
        (box, "value"),
        transform=(lambda v: round(v, 6), lambda v: v),
    )
    return slider, w.Box([box, slider], layout=w.Layout(flex_flow="row wrap"))

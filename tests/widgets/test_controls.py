"""Controls that several interactives use."""

from course_utils.widgets.controls import dropdown, named_slider


def test_a_dropdown_says_words_and_holds_values():
    choice = dropdown("Loss", {"mse": "Squared error", 0.5: "half"}, 0.5)
    assert choice.description == "Loss"
    assert choice.label == "half" and choice.value == 0.5
    choice.label = "Squared error"
    assert choice.value == "mse"


def test_a_slider_and_its_named_box_are_one_number():
    slider, row = named_slider("Slope a", 1.5, (-4.0, 4.0))
    box = row.children[0]
    assert row.children[1] is slider and box.description == "Slope a"
    assert (box.min, box.max, box.step) == (-4, 4, slider.step)
    box.value = -9
    assert slider.value == -4
    slider.value = 2.5
    assert box.value == 2.5
    slider.value = 1.0999999999999996  # as a browser says it
    assert box.value == 1.1


def test_a_whole_step_makes_whole_numbers():
    slider, row = named_slider("Neurons", 10, (1, 50), 1)
    box = row.children[0]
    box.value = 12
    assert slider.value == 12 and isinstance(slider.value, int)
    slider.value = 70
    assert box.value == 50 and isinstance(box.value, int)

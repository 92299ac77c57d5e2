"""The Python side of the drawing pad: what a drawing becomes, and what is answered."""

import re
from pathlib import Path

import pytest
import torch

from course_utils import locale
from course_utils.data import preprocess_drawing
from course_utils.widgets.base import Interactive
from course_utils.widgets.drawing_pad import (
    SENT,
    _labels,
    drawing_pad,
    read_drawing,
)

FOLDER = Path(__file__).parents[2] / "course_utils" / "widgets"


def seven(image):
    """A network that always reads a 7."""
    return torch.eye(10)[7] * 0.91 + 0.009


def a_bar():
    """A drawing with a bar to the left of the middle."""
    drawing = torch.zeros(SENT, SENT, dtype=torch.uint8)
    drawing[20:120, 30:42] = 255
    return drawing


def send(widget, drawing, center=True):
    """Set the traits as the browser does: bytes arrive as a memoryview."""
    state = {"drawing": memoryview(bytes(drawing)), "center": center}
    widget.set_state({**state, "request": widget.request + 1})
    return widget.answer


@pytest.mark.parametrize("center", [True, False])
def test_read_drawing_gives_what_the_network_sees_and_says(center):
    given = []

    def predict(image):
        given.append(image.clone())
        image.zero_()  # must not change what is shown
        return seven(image)

    seen, probabilities = read_drawing(a_bar(), predict, center)
    assert torch.equal(seen, preprocess_drawing(a_bar(), center=center))
    assert torch.equal(given[0], seen)
    assert seen.dtype == torch.uint8 and seen.shape == (28, 28)
    assert probabilities.dtype == torch.float32
    assert torch.allclose(probabilities, seven(seen))


def test_read_drawing_centres_by_default():
    seen, _ = read_drawing(a_bar(), seven)
    columns = seen.float().sum(0)
    assert abs((columns * torch.arange(28)).sum() / columns.sum() - 14) <= 0.5
    assert not torch.equal(seen, read_drawing(a_bar(), seven, center=False)[0])


def test_a_network_with_gradients_in_half_precision_will_do():
    weights = torch.zeros(784, 10, requires_grad=True)

    def predict(image):
        assert not torch.is_grad_enabled()
        return (image.float().flatten() @ weights).softmax(-1).to(torch.bfloat16)

    probabilities = read_drawing(a_bar(), predict)[1]
    assert probabilities.tolist() == pytest.approx([0.1] * 10, abs=1e-3)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "predict returned NoneType; it must return a tensor"),
        ([0.1] * 10, "predict returned list"),
        (torch.full((1, 10), 0.1), r"shape \(1, 10\); expected \(10,\).*first row"),
        (torch.tensor(7), r"shape \(\); expected \(10,\)"),
        (torch.full((10,), torch.nan), "not finite"),
        (torch.arange(10.0), r"smallest is 0.00 and they add up to 45.00.*softmax"),
        (torch.eye(10)[3].sub(0.1).mul(3).log_softmax(0), "smallest is -.*softmax"),
        (torch.tensor([1.5, -0.5] + [0.0] * 8), "smallest is -0.50"),
    ],
)
def test_what_is_no_probability_is_refused_in_a_sentence(answer, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_drawing(a_bar(), lambda image: answer)


def test_a_failure_of_predict_is_told_with_its_cause():
    def predict(image):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied.\nmore lines")

    with pytest.raises(ValueError) as caught:
        read_drawing(a_bar(), predict)
    assert str(caught.value) == (
        "predict failed with RuntimeError: mat1 and mat2 shapes cannot be multiplied "
        "(it was given a uint8 tensor of shape (28, 28), 255 = ink)."
    )
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_read_drawing_refuses_what_is_no_drawing():
    with pytest.raises(ValueError, match="uint8"):
        read_drawing(a_bar().float(), seven)


def test_the_pad_answers_each_request():
    widget = drawing_pad(seven).widget
    assert widget.answer["request"] == 0 and widget.answer["probabilities"] == []
    for request, center in ((1, True), (2, False)):
        answer = send(widget, a_bar().numpy().tobytes(), center)
        assert answer["request"] == request
        assert answer["error"] == ""
        assert answer["probabilities"] == pytest.approx(seven(None).tolist())
        seen = preprocess_drawing(a_bar(), center=center)
        assert answer["seen"] == seen.numpy().tobytes()


def test_the_same_drawing_is_answered_again():
    """The browser waits for an answer to each of its questions."""
    widget = drawing_pad(seven).widget
    drawing = a_bar().numpy().tobytes()
    assert send(widget, drawing)["request"] == 1
    assert send(widget, drawing)["request"] == 2


def test_empty_paper_is_not_shown_to_the_network():
    calls = []
    widget = drawing_pad(lambda image: calls.append(image)).widget
    answer = send(widget, bytes(SENT * SENT))
    assert answer["probabilities"] == [] and answer["error"] == ""
    assert not any(answer["seen"]) and calls == []


def test_an_error_is_shown_in_the_pad_and_the_next_drawing_works():
    fails = [True]

    def predict(image):
        if fails[0]:
            raise KeyError("weights")
        return seven(image)

    widget = drawing_pad(predict).widget
    answer = send(widget, a_bar().numpy().tobytes())
    assert "predict failed with KeyError: 'weights'" in answer["error"]
    assert answer["probabilities"] == []
    fails[0] = False
    assert send(widget, a_bar().numpy().tobytes())["error"] == ""


def test_bytes_that_are_no_square_are_an_error_in_the_pad():
    widget = drawing_pad(seven).widget
    assert send(widget, bytes([255]) * 1001)["error"]


def test_drawings_are_not_echoed_to_the_browser():
    widget = drawing_pad(seven).widget
    assert widget.trait_metadata("drawing", "echo_update") is False


def test_samples_are_handed_over_and_the_first_is_read():
    samples = torch.zeros(3, 28, 28, dtype=torch.uint8)
    samples[:, 4:24, 12:15] = 200
    pad = drawing_pad(seven, samples[:, :, :])
    assert pad.widget.samples == samples.numpy().tobytes()
    assert pad.widget.drawing == samples[0].numpy().tobytes()
    assert pad.widget.answer["probabilities"][7] == pytest.approx(0.919)
    assert pad.alt.endswith("it reads 7.")


def test_samples_may_be_a_strided_view():
    batch = torch.randint(0, 255, (4, 2, 28, 28), dtype=torch.uint8)
    widget = drawing_pad(seven, batch[::2, 0]).widget
    assert widget.samples == batch[::2, 0].contiguous().numpy().tobytes()


@pytest.mark.parametrize(
    "samples",
    [
        torch.zeros(3, 1, 28, 28, dtype=torch.uint8),
        torch.zeros(28, 28, dtype=torch.uint8),
        torch.zeros(3, 28, 28),
        torch.zeros(0, 28, 28, dtype=torch.uint8),
        torch.zeros(21, 28, 28, dtype=torch.uint8),
        torch.zeros(3, 20, 20, dtype=torch.uint8).numpy(),
        "samples",
    ],
)
def test_wrong_samples_are_refused(samples):
    with pytest.raises(ValueError, match=r"uint8 tensor \(n, 28, 28\).*valid.x\["):
        drawing_pad(seven, samples)


def test_predict_must_be_a_function():
    with pytest.raises(ValueError, match=r"predict must be a function.*got Tensor"):
        drawing_pad(torch.zeros(10))


def test_the_output_has_picture_and_words_that_do_not_change():
    pads = [drawing_pad(seven) for _ in range(2)]
    assert all(isinstance(pad, Interactive) for pad in pads)
    (one, metadata), (two, _) = (pad._repr_mimebundle_() for pad in pads)
    assert "application/vnd.jupyter.widget-view+json" in one
    assert one["text/plain"] == two["text/plain"]
    assert one["image/png"] == two["image/png"]
    assert "still empty" in metadata["image/png"]["alt"]
    assert pads[0].png.startswith(b"\x89PNG")
    assert repr(pads[0].widget) == "DrawingPad()"


def test_a_failing_predict_does_not_stop_the_notebook():
    samples = torch.full((1, 28, 28), 9, dtype=torch.uint8)
    pad = drawing_pad(lambda image: image / 0, samples)
    assert "expected (10,)" in pad.alt
    assert pad.png.startswith(b"\x89PNG")


def test_spanish():
    locale.set_language("es")
    samples = torch.full((1, 28, 28), 9, dtype=torch.uint8)
    pad = drawing_pad(seven, samples)
    assert pad.alt.endswith("lee un 7.")
    assert pad.widget.labels["undo"] == "Deshacer trazo"
    assert pad.widget.labels["lang"] == "es"
    with pytest.raises(ValueError, match="predict devolvió"):
        read_drawing(a_bar(), lambda image: None)


def test_the_browser_finds_every_word_and_the_same_sizes():
    script = (FOLDER / "drawing_pad.js").read_text(encoding="utf-8")
    used = set(re.findall(r"labels\.(\w+)", script))
    used |= set(re.findall(r"button\(\"(\w+)\"", script))
    assert used == set(_labels())
    assert f"const SENT = {SENT};" in script


def test_the_filled_in_names_are_those_of_the_sentences():
    english = _labels()
    locale.set_language("es")
    names = re.compile(r"\{(\w+)\}")
    for key, sentence in _labels().items():
        assert set(names.findall(sentence)) == set(names.findall(english[key])), key

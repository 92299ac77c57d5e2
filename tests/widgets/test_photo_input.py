"""The Python side of the camera: what a photo becomes, and what is answered."""

import re
from pathlib import Path

import pytest
import torch

from course_utils import locale
from course_utils.data.photo import preprocess_photo
from course_utils.widgets.base import Interactive
from course_utils.widgets.photo_input import SHOWN, _labels, photo_input, read_photo
from course_utils.widgets.predictions import MOST_SAMPLES

FOLDER = Path(__file__).parents[2] / "course_utils" / "widgets"
CLASSES = tuple("ABCDEFGHIKLMNOPQRSTUVWXY")


def letter_v(image):
    """A network that always reads a V."""
    return torch.eye(24)[CLASSES.index("V")] * 0.76 + 0.01


def a_photo(side=60):
    """Colours that are different in every pixel."""
    return (torch.arange(side * side * 3) % 256).view(side, side, 3).to(torch.uint8)


def samples(n=3):
    ramp = torch.arange(784).view(28, 28) % 256
    return torch.stack([ramp.roll(i, 1) for i in range(n)]).to(torch.uint8)


@pytest.fixture
def asked(monkeypatch):
    """asked(widget, photo, request) -> what the browser gets for its question."""

    def asked(widget, photo, request=1):
        sent = []
        monkeypatch.setattr(widget, "send", lambda *args, **kw: sent.append((args, kw)))
        question = {"view": "one", "request": request, "side": len(photo)}
        data = memoryview(photo.numpy().tobytes())
        widget._handle_custom_msg(question, [data])
        ((content,), rest) = sent.pop()
        assert not sent
        (seen,) = rest["buffers"]
        return content, seen

    return asked


def test_read_photo_gives_what_the_network_sees_and_says():
    given = []

    def predict(image):
        given.append(image.clone())
        image.zero_()  # must not change what is shown
        return letter_v(image)

    seen, probabilities = read_photo(a_photo(), predict, 24)
    assert torch.equal(seen, preprocess_photo(a_photo()))
    assert torch.equal(given[0], seen)
    assert seen.dtype == torch.uint8 and seen.shape == (1, 28, 28)
    assert probabilities.dtype == torch.float32
    assert torch.allclose(probabilities, letter_v(seen))


def test_a_network_with_gradients_in_half_precision_will_do():
    weights = torch.zeros(784, 24, requires_grad=True)

    def predict(image):
        assert not torch.is_grad_enabled()
        return (image.float().flatten() @ weights).softmax(-1).to(torch.bfloat16)

    probabilities = read_photo(a_photo(), predict, 24)[1]
    assert probabilities.tolist() == pytest.approx([1 / 24] * 24, abs=1e-3)


def test_a_dark_photo_is_not_shown_to_the_network():
    calls = []
    seen, probabilities = read_photo(a_photo() * 0 + 7, calls.append, 24)
    assert probabilities is None and calls == [] and not seen.any()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "predict returned NoneType; it must return a tensor of 24"),
        ([1 / 24] * 24, "predict returned list"),
        (torch.full((1, 24), 1 / 24), r"\(1, 24\); expected \(24,\).*first row"),
        (torch.full((25,), 1 / 25), r"shape \(25,\); expected \(24,\)"),
        (torch.full((24,), torch.nan), "not finite"),
        (torch.arange(24.0), r"smallest is 0.00 and they add up to 276.00.*softmax"),
        (torch.tensor([1.5, -0.5] + [0.0] * 22), "smallest is -0.50"),
    ],
)
def test_what_is_no_probability_is_refused_in_a_sentence(answer, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_photo(a_photo(), lambda image: answer, 24)


def test_a_failure_of_predict_is_told_with_its_cause():
    def predict(image):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied.\nmore lines")

    with pytest.raises(ValueError) as caught:
        read_photo(a_photo(), predict, 24)
    assert str(caught.value) == (
        "predict failed with RuntimeError: mat1 and mat2 shapes cannot be multiplied "
        "(it was given a uint8 tensor of shape (1, 28, 28), 0 = black)."
    )
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_each_question_gets_its_answer(asked):
    widget = photo_input(letter_v, CLASSES).widget
    for request in (1, 2):
        content, seen = asked(widget, a_photo(40 + request), request)
        assert (content["view"], content["request"]) == ("one", request)
        assert content["error"] == ""
        assert content["probabilities"] == pytest.approx(letter_v(None).tolist())
        assert seen == preprocess_photo(a_photo(40 + request)).numpy().tobytes()


def test_an_error_is_shown_below_the_photo_and_the_next_one_works(asked):
    fails = [True]

    def predict(image):
        if fails[0]:
            raise KeyError("weights")
        return letter_v(image)

    widget = photo_input(predict, CLASSES).widget
    content, _seen = asked(widget, a_photo())
    assert "predict failed with KeyError: 'weights'" in content["error"]
    assert content["probabilities"] == []
    fails[0] = False
    assert asked(widget, a_photo())[0]["error"] == ""


def test_a_photo_is_never_part_of_the_state(asked):
    """Notebooks may save the state of a widget: it must not hold anybody's picture."""
    widget = photo_input(letter_v, CLASSES, samples()).widget
    before = repr(widget.get_state())
    asked(widget, a_photo())
    assert repr(widget.get_state()) == before


def test_samples_are_handed_over_and_the_first_is_read():
    camera = photo_input(letter_v, CLASSES, samples())
    assert camera.widget.samples == samples().numpy().tobytes()
    assert camera.widget.answer["probabilities"][20] == pytest.approx(0.77)
    assert (
        camera.widget.answer["seen"] == preprocess_photo(samples()[0]).numpy().tobytes()
    )
    assert camera.alt.endswith("it reads V.")


def test_samples_may_be_a_strided_view():
    batch = samples(8).view(4, 2, 28, 28)
    widget = photo_input(letter_v, CLASSES, batch[::2, 0]).widget
    assert widget.samples == batch[::2, 0].contiguous().numpy().tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(3, 1, 28, 28, dtype=torch.uint8),
        torch.zeros(28, 28, dtype=torch.uint8),
        torch.zeros(3, 28, 28),
        torch.zeros(0, 28, 28, dtype=torch.uint8),
        torch.zeros(MOST_SAMPLES + 1, 28, 28, dtype=torch.uint8),
        samples().numpy(),
        "samples",
    ],
)
def test_wrong_samples_are_refused(wrong):
    with pytest.raises(ValueError, match=r"uint8 tensor \(n, 28, 28\).*valid.x\["):
        photo_input(letter_v, CLASSES, wrong)


def test_predict_must_be_a_function():
    with pytest.raises(ValueError, match=r"predict must be a function.*got Tensor"):
        photo_input(torch.zeros(24), CLASSES)


@pytest.mark.parametrize("classes", [("A",), 24, range(24), [], None])
def test_classes_must_be_names(classes):
    with pytest.raises(ValueError, match="names of at least two classes"):
        photo_input(letter_v, classes)


def test_classes_may_be_letters_of_a_word_and_only_two():
    camera = photo_input(lambda image: torch.tensor([0.2, 0.8]), "AB", samples())
    assert camera.widget.classes == ["A", "B"]
    assert camera.alt.endswith("it reads B.")


def test_the_output_has_picture_and_words_that_do_not_change():
    cameras = [photo_input(letter_v, CLASSES) for _ in range(2)]
    assert all(isinstance(camera, Interactive) for camera in cameras)
    (one, metadata), (two, _) = (camera._repr_mimebundle_() for camera in cameras)
    assert "application/vnd.jupyter.widget-view+json" in one
    assert one["text/plain"] == two["text/plain"]
    assert one["image/png"] == two["image/png"]
    assert "still without a photo" in metadata["image/png"]["alt"]
    assert repr(cameras[0].widget) == "PhotoInput()"


def test_a_failing_predict_does_not_stop_the_notebook():
    camera = photo_input(lambda image: image / 0, CLASSES, samples())
    assert "expected (24,)" in camera.alt
    assert camera.png.startswith(b"\x89PNG")


def test_spanish():
    locale.set_language("es")
    camera = photo_input(letter_v, CLASSES, samples())
    assert camera.alt.endswith("lee V.")
    assert camera.widget.labels["snapshot"] == "Tomar la foto"
    assert camera.widget.labels["lang"] == "es"
    with pytest.raises(ValueError, match="predict devolvió"):
        read_photo(a_photo(), lambda image: None, 24)


def test_the_browser_finds_every_word_and_the_same_sizes():
    script = (FOLDER / "photo_input.js").read_text(encoding="utf-8")
    used = set(re.findall(r"labels\.(\w+)", script))
    used |= set(re.findall(r"\"(camera_\w+)\"", script))
    (buttons,) = re.findall(r"= \[(.*)\]\.map\(button\)", script)
    used |= set(re.findall(r"\w+", buttons))
    assert used == set(_labels())
    assert f"const SHOWN = {SHOWN};" in script


def test_the_filled_in_names_are_those_of_the_sentences():
    english = _labels()
    locale.set_language("es")
    names = re.compile(r"\{(\w+)\}")
    for key, sentence in _labels().items():
        assert set(names.findall(sentence)) == set(names.findall(english[key])), key

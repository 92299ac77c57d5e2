"""The shipped networks and their cards, how they were made, and what `load` refuses."""

import hashlib
import json
import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

from course_utils import metrics, models
from course_utils.data import Split, mnist
from course_utils.data.brats_labels import regions
from course_utils.data.synthetic import brains, hands
from course_utils.demos import cards, networks, recipes
from course_utils.demos.__main__ import main
from course_utils.locale import set_language

NAMES = list(networks.NETWORKS)


@pytest.fixture(autouse=True)
def plain_settings():
    set_language("en")


@pytest.fixture(scope="module")
def patient():
    return brains.render(seed=9)


# --- what is shipped ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_small_and_their_card_is_about_them(name):
    path, card = networks.shipped(name), networks.card(name)
    assert path.stat().st_size < 1_000_000
    assert card["bytes"] == path.stat().st_size
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["command"] == f"python -m course_utils.demos train {name}"
    model = networks.load(name)
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    assert not any(module.training for module in model.modules())
    assert len(card["data_sha256"]) == 64
    for value, low, high in card["scores"].values():
        assert 0 < low <= value <= high <= 1
    # Weights and nothing else: no optimizer, no history, no code.
    state = torch.load(path, weights_only=True)
    assert {type(value) for value in state.values()} == {torch.Tensor}


@pytest.mark.parametrize("name", NAMES)
def test_the_card_in_words_says_what_the_card_says(name):
    card, folder = networks.card(name), networks.shipped(name).parent
    for file, words in cards.in_words(card).items():
        assert (folder / file).read_text(encoding="utf-8") == words
    english = cards.as_markdown(card)
    assert card["sha256"] in english and card["data_sha256"] in english
    assert "not a medical device" in english and "## Limits" in english
    kind = "real" if name == "digits" else "synthetic"
    assert f"{card['tested']:,} {kind} test" in cards.scores(card)
    assert card["real"] == (kind == "real")


def test_a_score_on_synthetic_data_says_so_in_spanish_too():
    card = networks.card("tumour")
    assert "Dice WT" in cards.scores(card)
    english = cards.scores(card)
    set_language("es")
    assert cards.scores(card) != english
    assert "sintétic" in cards.scores(card)


def test_digits_are_read():
    x, y = mnist("embedded").valid
    card = networks.card("digits")
    with torch.no_grad():
        logits = networks.load("digits")((x.float() / 255 - card["mean"]) / card["std"])
    assert (logits.argmax(1) == y).float().mean() > 0.97
    split = mnist("embedded")
    tensors = (t for part in (split.train, split.valid, split.test) for t in part)
    assert recipes._digest(tensors) == card["data_sha256"]


def test_hands_that_nobody_has_seen_are_read():
    y = torch.arange(24)
    x = networks.normalize_signs(hands.render(y, seed=7))
    with torch.no_grad():
        right = networks.load("signs")(x).argmax(1) == y
    assert right.float().mean() > 0.5
    assert networks.card("signs")["classes"] == list(hands.LETTERS)


def test_a_tumour_that_nobody_has_seen_is_found(patient):
    label = networks.segment(networks.load("tumour"), patient)
    dice = metrics.dice(regions(label)[None], regions(patient.label)[None])[0]
    assert dice[0] > 0.6


# --- load -----------------------------------------------------------------------------


def saved(content, path):
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("digits", lambda: models.digit_cnn(8)),
        ("signs", lambda: models.sign_resnet(16)),
        ("tumour", lambda: models.UNet(4, 3, 4)),
    ],
)
def test_any_width_is_loaded(tmp_path, name, make):
    mine = make().eval()
    path = saved(mine.state_dict(), tmp_path / "mine.pt")
    found = networks.load(name, path)
    x = torch.randn(2, 4 if name == "tumour" else 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(found(x), mine(x))
    assert networks.card(name, path) == {}


def test_a_network_of_a_notebook_has_other_names_and_is_loaded(tmp_path):
    torch.manual_seed(1)
    ours = models.digit_cnn(4)
    named = nn.Sequential()
    for i, part in enumerate(ours):
        named.add_module(f"block{i}", part)
    path = saved({"weights": named.state_dict(), "classes": "0"}, tmp_path / "mine.pt")
    found = networks.load("digits", str(path))
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(found(x), ours.eval()(x))


class Runs:
    """Opening it with pickle writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_file_is_not_run(tmp_path):
    mark = tmp_path / "ran"
    path = saved({"weight": Runs(mark)}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"could run anything, and was not opened"):
        networks.load("digits", path)
    plain = tmp_path / "evil.pkl"
    plain.write_bytes(pickle.dumps(Runs(mark)))
    with pytest.raises(ValueError, match=r"cannot be read as weights"):
        networks.load("digits", plain)
    assert not mark.exists()


def spoilt():
    state = models.digit_cnn(2).state_dict()
    state["6.weight"] = torch.full_like(state["7.weight"], float("inf"))
    return {**models.digit_cnn(2).state_dict(), "7.weight": state["6.weight"]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda: models.sign_resnet(4).state_dict(), "of another network, not of digi"),
        (
            lambda: models.UNet(4, 3, 4).state_dict(),
            "of another network, not of digits",
        ),
        (lambda: nn.Linear(784, 10).state_dict(), "of another network, not of digits"),
        (lambda: {"a": torch.zeros(())}, "of another network, not of digits"),
        (lambda: [torch.zeros(3)], "holds no state_dict"),
        (lambda: {"epoch": 3}, "holds no state_dict"),
        (dict, "holds no state_dict"),
        (lambda: torch.zeros(3), "holds no state_dict"),
        (lambda: {3: torch.zeros(3)}, "of another network"),
        (lambda: models.digit_cnn(2), "Python objects, which could run anything"),
        (spoilt, "not finite"),
    ],
)
def test_another_file_is_refused_in_one_sentence(tmp_path, content, sentence):
    path = saved(content(), tmp_path / "mine.pt")
    with pytest.raises(ValueError, match=sentence) as refused:
        networks.load("digits", path)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


@pytest.mark.parametrize("kept", [0, 20, 2000, -1])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = saved(models.digit_cnn(4).state_dict(), tmp_path / "mine.pt")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cannot be read as weights, or is damaged"):
        networks.load("digits", path)


def test_no_file_and_no_network(tmp_path):
    with pytest.raises(ValueError, match=r"There is no file .*absent\.pt"):
        networks.load("digits", tmp_path / "absent.pt")
    with pytest.raises(ValueError, match=r"digits \| signs \| tumour"):
        networks.load("letters")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        networks.load("digits", tmp_path)


def test_a_card_of_another_file_does_not_count(tmp_path):
    path = saved(models.digit_cnn(2).state_dict(), tmp_path / "digits.pt")
    beside = tmp_path / "digits.json"
    for words in (json.dumps(networks.card("digits")), "[]", "{", "\xff"):
        beside.write_text(words, encoding="latin-1")
        assert networks.card("digits", path) == {}


# --- what comes out -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "label"),
    [
        ((-1, 1, 1), 0),
        ((1, -1, 1), 2),
        ((1, 1, -1), 1),
        ((1, 1, 1), 3),
        ((-1, -1, -1), 0),
    ],
)
def test_regions_lie_inside_one_another(patient, says, label):
    model = nn.Conv2d(4, 3, 1)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor(says).float()
    found = networks.segment(model, patient)
    assert found.dtype == torch.uint8 and found.shape == patient.label.shape
    inside = patient.brain.flatten(1).any(1)
    assert found[inside].unique().tolist() == [label]


def test_hands_are_normalised_each_by_itself():
    x = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    x[2] = 9  # a flat photo must not become noise
    found = networks.normalize_signs(x)
    assert found.mean((1, 2, 3)).abs().max() < 1e-5
    assert (found[:2].std((1, 2, 3)) - 1).abs().max() < 0.15
    assert torch.equal(found[1:2], networks.normalize_signs(x[1:2]))
    assert found[2].abs().max() < 1e-5


# --- how they were made ---------------------------------------------------------------


def test_training_repeats_itself_and_leaves_a_card(tmp_path, monkeypatch, capsys):
    def few(source):
        found = mnist(source)
        return replace(found, train=Split(*(part[:600] for part in found.train)))

    monkeypatch.setattr(recipes.data, "mnist", few)
    monkeypatch.setattr(recipes, "DIGIT_EPOCHS", 1)
    torch.manual_seed(5)
    first = recipes.train("digits", tmp_path / "one")
    drawn = torch.rand(())
    assert (
        main(["train", "digits", "--lang", "en", "--out", str(tmp_path / "two")]) == 0
    )
    second = tmp_path / "two" / "digits.pt"
    assert first.read_bytes() == second.read_bytes()
    names = {"digits.pt", "digits.json", "digits.md", "digits.es.md"}
    assert {p.name for p in second.parent.iterdir()} == names
    card = networks.card("digits", second)
    assert card["source"]["en"].startswith("5,000 real digits")
    assert card["source"]["es"].startswith("5,000 dígitos reales")
    assert card["data_sha256"] != networks.card("digits")["data_sha256"]
    assert card["parts"] == {"train": 600, "valid": 500, "test": 500}
    assert card["tested"] == 500 and 0 < card["scores"]["accuracy"][0] < 1
    said = capsys.readouterr().out
    assert str(second) in said and "500 real test images" in said
    # Nobody's random numbers have changed.
    torch.manual_seed(5)
    assert drawn == torch.rand(())


def test_training_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail():
        raise RuntimeError("stop")

    monkeypatch.setitem(recipes.RECIPES, "digits", fail)
    with pytest.raises(RuntimeError, match="stop"):
        recipes.train("digits", tmp_path)
    assert not any(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"train: name must be digits \| signs"):
        recipes.train("letters")


def test_the_loss_is_low_where_the_answer_is_right():
    y = torch.zeros(2, 3, 8, 8)
    y[:, :, 2:5, 2:5] = 1
    right, wrong = (recipes.dice_bce(20 * sign * (2 * y - 1), y) for sign in (1, -1))
    assert right < 1e-3 and wrong > 15
    logits = torch.zeros_like(y)
    # By hand: p = 1/2 everywhere, 9 of 64 pixels marked in each of two images.
    dice = (2 * 9 + 2) / (64 + 18 + 2)
    expected = 1 - dice + torch.tensor(2.0).log()
    assert recipes.dice_bce(logits, y) == pytest.approx(expected.item())

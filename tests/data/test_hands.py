"""The hands that the course renders itself: anatomy, pictures, and the data set."""

import numpy as np
import pytest
import torch

from course_utils import data
from course_utils.data.synthetic import hand_model, hands, thumb
from course_utils.data.synthetic.dice import Dice
from course_utils.data.synthetic.ray_marching import Field, trace

LETTERS = "".join(hand_model.LETTERS)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def posed():
    """Two hands of different people for each letter, all posed."""
    pose = hand_model.poses(list(LETTERS * 2))
    hand = hand_model.anatomy(Dice([(7, i) for i in range(48)]))
    fingers = hand_model.finger_joints(hand, pose.bend, pose.spread)
    angles = thumb.reach(hand, fingers, pose)
    return pose, hand, fingers, angles, hand_model.thumb_joints(hand, angles)


@pytest.fixture(scope="module")
def small():
    """x, y, photo, person of four photos a letter, four variants each."""
    return hands.collection(3, photos=4, variants=4)


class TestRender:
    def test_gives_one_image_a_letter(self):
        x = hands.render("HALL", seed=0)
        assert x.shape == (4, 1, 28, 28)
        assert x.dtype == torch.uint8
        assert x.flatten(1).float().std(1).min() > 10

    def test_takes_names_indices_and_tensors(self):
        x = hands.render("AK", seed=1)
        for letters in (["A", "K"], [0, 9], torch.tensor([0, 9]), np.array([0, 9])):
            assert torch.equal(hands.render(letters, seed=1), x)

    def test_no_letter_gives_no_image(self):
        assert hands.render("", seed=0).shape == (0, 1, 28, 28)
        assert hands.render([], seed=0, people=[]).shape == (0, 1, 28, 28)

    def test_any_size(self):
        assert hands.render("A", seed=0, size=40).shape == (1, 1, 40, 40)

    def test_the_seed_decides_and_the_rest_of_the_batch_does_not(self):
        x = hands.render("ABCAB", seed=5)
        assert torch.equal(hands.render("ABCAB", seed=5), x)
        # The last digits of a batched product may differ with its length.
        start = hands.render("AB", seed=5).int()
        assert (start - x[:2]).abs().max() <= 1
        assert not torch.equal(hands.render("ABCAB", seed=6), x)
        assert not torch.equal(x[0], x[3])

    def test_plain_letters_are_all_alike(self):
        x = hands.render("VVV", seed=0, vary=0)
        assert torch.equal(x[0], x[1])
        other = hands.render("V", seed=9, vary=0)
        assert (other.int() - x[:1]).abs().max() <= 1

    def test_a_number_is_a_person_whatever_the_seed(self, monkeypatch):
        drawn = []

        def remembered(person):
            drawn.append(hand_model.anatomy(person))
            return drawn[-1]

        monkeypatch.setattr(hands, "anatomy", remembered)
        for seed in (0, 1):
            hands.render("ABC", seed=seed, people=[4, 4, 5])
            hands.render("AB", seed=seed)
        first, alone, again, others = (hand.phalanges for hand in drawn)
        assert np.array_equal(first, again)
        assert np.array_equal(first[0], first[1])
        assert not np.array_equal(first[0], first[2])
        assert not np.array_equal(alone[0], alone[1])
        assert not np.array_equal(alone, others)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"letters": "AJ"}, "'J' is none of the 24 letters ABCDEFGHIKL"),
            ({"letters": "a"}, "'a' is none of the 24"),
            ({"letters": [24]}, "24 is none of"),
            ({"letters": [-1]}, "-1 is none of"),
            ({"letters": [1.0]}, "1.0 is none of"),
            ({"letters": [True]}, "True is none of"),
            ({"letters": [""]}, "'' is none of"),
            ({"people": [1]}, "one number (int, 0..2**32 - 1) for each of the 2"),
            ({"people": [1, -1]}, "people must be one number"),
            ({"people": [1, 2**32]}, "people must be one number"),
            ({"letters": None}, "None is none of"),
            ({"letters": 3.5}, "3.5 is none of"),
            ({"seed": 2**32}, "seed must be int, 0..2**32 - 1, got 4294967296"),
            ({"seed": -1}, "seed must be int, 0..2**32 - 1, got -1"),
            ({"seed": 0.5}, "seed must be"),
            ({"size": 4}, "size must be int >= 8, got 4"),
            ({"vary": -1}, "vary must be >= 0, got -1"),
            ({"vary": float("nan")}, "vary must be"),
        ],
    )
    def test_refuses_in_a_sentence(self, change, words):
        settings = {"letters": "AB", "seed": 0} | change
        with pytest.raises(ValueError, match=r"^render: ") as error:
            hands.render(settings.pop("letters"), **settings)
        assert words in str(error.value)


class TestAnatomy:
    def test_posing_keeps_the_bones_lengths(self, posed):
        _pose, hand, fingers, _angles, thumb_bones = posed
        lengths = np.linalg.norm(np.diff(fingers, axis=2), axis=-1)
        np.testing.assert_allclose(lengths, hand.phalanges)
        lengths = np.linalg.norm(np.diff(thumb_bones, axis=1), axis=-1)
        np.testing.assert_allclose(lengths, hand.thumb_bones)

    def test_metacarpals_are_as_long_as_measured(self):
        lengths = np.linalg.norm(hand_model.MCP - hand_model.CMC, axis=1)
        np.testing.assert_allclose(lengths, [6.7, 6.5, 5.8, 5.3], atol=0.2)

    def test_there_are_25_joints(self, posed):
        _pose, hand, fingers, _angles, thumb_bones = posed
        count = 1 + hand.cmc.shape[1] + fingers.shape[1] * fingers.shape[2]
        assert count + thumb_bones.shape[1] == 25

    def test_a_flexed_finger_comes_towards_the_palm(self):
        pose = hand_model.poses(["B"])
        hand = hand_model.anatomy(Dice([(0,)], vary=0))
        bent = pose.bend + np.array([90, 0, 0])
        straight = hand_model.finger_joints(hand, pose.bend, pose.spread)
        flexed = hand_model.finger_joints(hand, bent, pose.spread)
        assert (abs(straight[0, :, 3, 2]) < 1).all()
        assert (flexed[0, :, 3, 2] > 5).all()

    def test_the_thumb_reaches_its_target(self, posed):
        pose, hand, fingers, _angles, thumb_bones = posed
        goal = thumb.target(hand, fingers, pose)
        miss = np.linalg.norm(thumb_bones[:, 3] - goal, axis=1)
        held = (pose.thumb_joint[:, 0] >= 0) & (pose.thumb_between == 0)
        assert np.median(miss[held]) < 0.5
        assert miss[held].max() < 2.0

    def test_the_thumb_stays_within_its_joints_limits(self, posed):
        angles = posed[3]
        assert (angles > thumb.LOW - 8).all()
        assert (angles < thumb.HIGH + 8).all()


class TestDice:
    def test_a_stream_depends_on_its_key_only(self):
        few, many = Dice([(1, 2)]), Dice([(0, 0), (1, 2), (1, 2)])
        a, b = few.normal(3), many.normal(3)
        assert np.array_equal(a[0], b[1])
        assert np.array_equal(b[1], b[2])
        assert not np.array_equal(b[0], b[1])

    def test_without_variation_everything_is_plain(self):
        dice = Dice([(1,), (2,)], vary=0)
        assert not dice.normal(2).any()
        assert (dice.uniform(3, 5, 4) == 4).all()
        assert not dice.chance(1.0).any()

    def test_empty(self):
        dice = Dice([])
        assert dice.normal(2, 3).shape == (0, 2, 3)
        assert dice.uniform(0, 1, 0).shape == (0,)


class TestRayMarching:
    @staticmethod
    def ball(radius=2.0):
        start = torch.tensor([[0.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
        end = start + torch.tensor([0.0, 0.0, 1e-3])
        radii = torch.tensor([radius, 0.5])
        return Field(start, end, radii, radii, palm=1)

    def test_distance_to_a_ball(self):
        p = torch.tensor([[5.0, 0, 0], [0, 0, 3.0], [0, 0.5, 0]])
        wanted = torch.tensor([3.0, 1.0, -1.5])
        torch.testing.assert_close(self.ball()(p), wanted, atol=2e-3, rtol=0)

    def test_a_capsule_tapers(self):
        start, end = torch.zeros(1, 3), torch.tensor([[4.0, 0, 0]])
        one, half = torch.tensor([1.0]), torch.tensor([0.5])
        field = Field(start, end, one, half, palm=0)
        p = torch.tensor([[0, 3.0, 0], [2.0, 3.0, 0], [4.0, 3.0, 0], [7.0, 0, 0]])
        wanted = torch.tensor([2.0, 2.25, 2.5, 2.5])
        torch.testing.assert_close(field(p), wanted, atol=1e-4, rtol=0)

    def test_the_normal_is_the_gradient(self):
        torch.manual_seed(0)
        start, end = torch.randn(6, 3), torch.randn(6, 3)
        field = Field(start, end, 0.3 * torch.rand(6), 0.3 * torch.rand(6), palm=3)
        # The radius along a tapered capsule changes too: the normal leaves that out.
        field.taper.zero_()
        p = 2 * torch.randn(100, 3)
        p = p[field(p) < 2]  # beyond, the sums of exponentials are too small
        steps = 0.01 * torch.eye(3)
        slope = torch.stack([field(p + d) - field(p - d) for d in steps], dim=1)
        slope = torch.nn.functional.normalize(slope)
        torch.testing.assert_close(field.normal(p), slope, atol=0.01, rtol=0)

    def test_near_parts_melt_together(self):
        start = torch.tensor([[-1.0, 0, 0], [1.0, 0, 0]])
        end, radii = start + torch.tensor([0.0, 0, 1e-3]), torch.ones(2) * 0.9
        p = torch.tensor([[0.0, 0.0, 0.0]])
        apart = 0.1
        assert Field(start, end, radii, radii, palm=0)(p) < apart
        assert Field(start, end, radii, radii, palm=2)(p) < 0

    def test_rays_find_the_ball(self):
        xy = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.9], [3.0, 0.0]])
        light = torch.tensor([0.0, 0.0, 1.0])
        seen = trace(self.ball(), xy, near=5, far=-5, light=light)
        assert seen.ray.tolist() == [0, 1, 2]
        depth = torch.tensor([2.0, 3**0.5, (4 - 1.9**2) ** 0.5])
        torch.testing.assert_close(seen.point[:, 2], depth, atol=0.1, rtol=0)
        torch.testing.assert_close(seen.normal, seen.point / 2, atol=0.06, rtol=0)
        assert (seen.light[:2] > 0.9).all()

    def test_a_lamp_behind_leaves_shadow(self):
        light = torch.tensor([0.0, 0.0, -1.0])
        seen = trace(self.ball(), torch.zeros(1, 2), near=5, far=-5, light=light)
        assert seen.light.item() == 0


class TestCollection:
    def test_sizes(self, small):
        x, y, photo, person = small
        assert x.shape == (24 * 4 * 4, 1, 28, 28)
        assert x.dtype == torch.uint8
        assert y.dtype == photo.dtype == person.dtype == torch.int64
        assert torch.equal(y.bincount(), torch.full((24,), 16))
        assert torch.equal(photo.bincount(), torch.full((96,), 4))

    def test_the_whole_has_thirty_photos_of_twelve_people(self, monkeypatch):
        blank = lambda names, *_rest, **_more: torch.zeros(len(names), 1, 42, 42)  # noqa: E731
        monkeypatch.setattr(hands, "_photograph", blank)
        x, y, photo, person = hands.collection()
        assert len(x) == len(y) == 5760
        assert photo.max() == 719
        assert person.unique().tolist() == list(range(12))
        # Ten photos a letter are left to test on, of four people.
        tested = photo[(person >= 8) & (y == 3)].unique()
        assert len(tested) == 10

    def test_a_photo_shows_one_letter_of_one_person(self, small):
        _x, y, photo, person = small
        for values in (y, person):
            first = values.view(96, 4)[:, :1]
            assert torch.equal(first.expand(96, 4), values.view(96, 4))
        assert torch.equal(photo, torch.arange(96).repeat_interleave(4))

    def test_photos_show_the_letter_they_are_labelled_with(self, small):
        x, y = (part[::4] for part in small[:2])  # one image of each photo
        rows = x.flatten(1).float()
        near = torch.corrcoef(rows).fill_diagonal_(-1).argmax(1)
        assert (y[near] == y).float().mean() > 0.1  # 0.16; by chance 0.03

    def test_the_same_every_time(self, small):
        again = hands.collection(3, photos=4, variants=4)
        assert all(map(torch.equal, small, again))
        assert not torch.equal(hands.collection(4, photos=1, variants=1)[0], small[0])

    def test_variants_differ(self, small):
        assert len({image.numpy().tobytes() for image in small[0]}) == len(small[0])

    def test_near_copies_are_found_and_photos_kept_apart(self):
        x, y, photo, _person = hands.collection(1, photos=4)
        found = data.photo_groups(x, y)
        right = (found[:, None] == found) == (photo[:, None] == photo)
        assert right.all(1).float().mean() >= 0.99

    @pytest.mark.parametrize("name", ["photos", "variants"])
    def test_refuses_none(self, name):
        with pytest.raises(ValueError, match=f"^collection: {name} must be int >= 1"):
            hands.collection(0, **{name: 0})


def test_letters_can_be_read_on_unseen_people():
    from sklearn.linear_model import RidgeClassifier

    y = torch.arange(24).repeat(10)
    people = torch.arange(10).repeat_interleave(24)
    x = hands.render(y, seed=0, people=people, vary=0.5).flatten(1).float()
    x = (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)
    seen = people < 8
    model = RidgeClassifier(alpha=300).fit(x[seen], y[seen])
    assert model.score(x[~seen], y[~seen]) > 0.6  # by chance: 0.04

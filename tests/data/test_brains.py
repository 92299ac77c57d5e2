"""The synthetic patients: numbers, anatomy, tumours, MR signals, and what is kept."""

import importlib.util
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils.data.synthetic import anatomy, brains, mr_signal, tumour
from course_utils.data.synthetic.fields import (
    GRID,
    Stream,
    coordinates,
    length,
    smooth,
)
from course_utils.data.synthetic.mr_signal import TISSUES, Tissue

LOW = brains.LOW_GRADE[0]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def people():
    """Patients 0, 1 and one of low grade."""
    return [brains.render(3, number) for number in (0, 1, LOW)]


@pytest.fixture(scope="module")
def grown():
    """A brain, the lesions in it, and what has grown of them."""
    stream = Stream(7)
    person = anatomy.bend(stream)
    lesions = tumour.plan(stream, person)
    brain = anatomy.warp(stream, person + tumour.push(lesions))
    return brain, lesions, tumour.grow(stream, brain, lesions, enhances=True)


class TestStream:
    def test_the_key_decides(self):
        first, again, other = Stream(1, 2), Stream(1, 2), Stream(2, 1)
        a, b, c = (stream.normal(5) for stream in (first, again, other))
        assert torch.equal(a, b)
        assert not torch.equal(a, c)

    def test_draws_stay_in_range(self):
        stream = Stream(0)
        drawn = [stream.log_uniform(2, 50) for _ in range(300)]
        assert 2 <= min(drawn) < 2.5
        assert 40 < max(drawn) <= 50
        assert np.median(drawn) == pytest.approx(10, rel=0.25)
        assert {stream.pick(3) for _ in range(50)} == {0, 1, 2}
        share = np.mean([stream.chance(0.2) for _ in range(500)])
        assert share == pytest.approx(0.2, abs=0.06)

    @pytest.mark.parametrize("scale", [2, 12, 70])
    def test_a_field_has_mean_0_and_deviation_1(self, scale):
        field = Stream(scale).field(scale)
        assert field.shape == GRID
        assert field.mean() == pytest.approx(0, abs=1e-4)
        assert field.std() == pytest.approx(1, abs=1e-3)

    def test_a_larger_scale_is_smoother(self):
        def step(scale):
            return Stream(4).field(scale).diff(dim=1).std().item()

        assert step(4) > 1.5 * step(8) > 3 * step(24)


class TestFields:
    def test_smooth_is_the_mean_of_the_neighbours(self):
        volume = Stream(0).normal(6, 7, 8)
        pooled = F.avg_pool3d(volume[None, None], 3, 1)[0, 0]
        torch.testing.assert_close(smooth(volume)[1:-1, 1:-1, 1:-1], pooled)
        torch.testing.assert_close(smooth(smooth(volume)), smooth(volume, 2))
        flat = torch.full((4, 4, 4), 3.0)
        torch.testing.assert_close(smooth(flat), flat)

    def test_length(self):
        vectors = torch.tensor([[3.0, 0], [4, 0], [0, 2]])
        assert length(vectors).tolist() == [5, 2]


class TestTemplate:
    def test_the_affine_tells_where_a_voxel_is(self):
        import nibabel

        found = importlib.util.find_spec("nilearn").submodule_search_locations[0]
        file = nibabel.load(f"{found}/{anatomy.FILE.format('wm')}")
        white = np.asarray(file.dataobj) / 255
        d, h, w = 42, 34, 24
        centre = anatomy.affine() @ [w, h, d, 1]
        place = np.linalg.solve(file.affine, centre)[:3]
        assert (place % 1 == 0.5).all()  # between eight voxels of 1 mm
        block = tuple(slice(int(i), int(i) + 2) for i in place)
        grid = anatomy._on_grid(anatomy._read("wm"))
        assert grid[d, h, w] == pytest.approx(white[block].mean(), abs=1e-4)
        assert 0.1 < grid[d, h, w] < 0.9  # a border runs through it

    def test_is_radiological(self):
        to_mm = anatomy.affine()
        steps = np.diag(to_mm)[:3]
        assert steps.tolist() == [-2, -2, 2]  # to the left, to the back, up
        eyes = anatomy.template().inside[22, :20].sum()  # there the brain ends in front
        nape = anatomy.template().inside[22, -20:].sum()
        assert eyes < nape

    def test_fits_into_the_grid(self):
        inside = anatomy.template().inside
        for axis in range(3):
            border = inside.index_select(axis, torch.tensor([0, GRID[axis] - 1]))
            assert border.sum() == 0

    def test_shares_are_shares(self, grown):
        for brain in (anatomy.template(), grown[0]):
            total = brain.white + brain.grey + brain.fluid
            deep = brain.depth > 6
            assert brain.white.min() >= 0
            torch.testing.assert_close(
                total[deep], brain.inside[deep], atol=0.02, rtol=0
            )

    def test_without_nilearn(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match="pip install nilearn"):
            anatomy._read("t1")


class TestTumour:
    def test_grows_in_the_brain(self, grown):
        brain, _lesions, growth = grown
        assert set(growth.label.unique().tolist()) == {0, 1, 2, 3}
        assert (brain.inside[growth.label > 0] == 1).all()

    def test_oedema_avoids_grey_matter_and_fluid(self, grown):
        brain, _lesions, growth = grown
        oedema = growth.label == tumour.OEDEMA
        near = (smooth((growth.label > 0).float(), 8) > 0.01) & (growth.label == 0)
        near &= brain.inside > 0.5
        assert brain.white[oedema].mean() > 1.5 * brain.white[near].mean()
        assert brain.fluid[oedema].mean() < 0.7 * brain.fluid[near].mean()

    def test_the_rim_lies_between_core_and_oedema(self, grown):
        label = grown[2].label
        around = smooth((label == tumour.CORE).float()) > 0
        touching = label[around & (label != tumour.CORE)]
        share = (touching == tumour.ENHANCING).float().mean()
        assert 0.6 < share < 1  # there are gaps

    def test_low_grades_do_not_enhance(self, grown):
        brain, lesions, _growth = grown
        growth = tumour.grow(Stream(7), brain, lesions, enhances=False)
        assert set(growth.label.unique().tolist()) == {0, 1, 2}
        assert growth.enhancing.max() == 0
        assert growth.solid.sum() > growth.necrosis.sum()

    def test_depth_below_the_surface(self):
        block = torch.zeros(9, 9, 9, dtype=torch.bool)
        block[2:7, 2:7, 2:7] = True
        below = tumour._below(block)
        assert (below[~block] == 0).all()
        assert below[2, 4, 4] == 2
        assert below[4, 4, 4] == 6

    def test_pushes_outwards_and_never_the_skull(self, grown):
        lesion = grown[1][0]
        moved = tumour.push([lesion])
        away = coordinates() - lesion.lobes[0][0].view(3, 1, 1, 1)
        # What is seen here comes from nearer to the lesion.
        assert ((moved * away).sum(0) <= 0).all()
        assert length(moved)[anatomy.template().depth == 0].max() == 0
        expected = lesion.push * lesion.radius / tumour.SPACING
        assert 0.2 * expected < length(moved).max() < 1.1 * expected

    def test_begins_in_cerebral_white_matter(self):
        still = torch.zeros(3, *GRID)
        centres = []
        for key in range(30):
            lesions = tumour.plan(Stream(key), still)
            centres += [lesion.lobes[0][0].long().tolist() for lesion in lesions]
        d, h, w = zip(*centres, strict=True)
        assert (anatomy.template().white[d, h, w] > 0.5).all()
        assert 30 < len(centres) < 42  # some have two
        right = np.array(w) < GRID[2] / 2
        assert 0.25 < right.mean() < 0.75


class TestSignals:
    water = Tissue(t1=1000, t2=100, density=0.8)

    def test_spin_echo(self):
        assert mr_signal.spin_echo(self.water, 1e9, 0) == pytest.approx(0.8)
        half = 1000 * math.log(2)
        assert mr_signal.spin_echo(self.water, half, 0) == pytest.approx(0.4)
        decayed = mr_signal.spin_echo(self.water, 1e9, 100)
        assert decayed == pytest.approx(0.8 / math.e)

    def test_inversion_recovery_has_a_null(self):
        null = 1000 * math.log(2)
        signal = mr_signal.inversion_recovery
        assert signal(self.water, 1e9, null, 0) == pytest.approx(0, abs=1e-9)
        assert signal(self.water, 1e9, 0, 0) == pytest.approx(0.8)  # magnitude

    def test_spoiled_echo(self):
        right_angle = mr_signal.spoiled_echo(self.water, 500, 10, 90)
        assert right_angle == pytest.approx(mr_signal.spin_echo(self.water, 500, 10))
        # The Ernst angle gives most.
        ernst = math.degrees(math.acos(math.exp(-9 / 1000)))
        best = mr_signal.spoiled_echo(self.water, 9, 0, ernst)
        for degrees in (ernst - 2, ernst + 2):
            assert mr_signal.spoiled_echo(self.water, 9, 0, degrees) < best

    @pytest.mark.parametrize("key", range(5))
    def test_contrasts_are_those_of_the_clinic(self, key):
        protocol = mr_signal._protocol(Stream(key))
        seen = {
            name: {kind: sequence(tissue) for kind, tissue in TISSUES.items()}
            for name, sequence in protocol.items()
        }
        assert list(seen) == ["flair", "t1", "t1ce", "t2"]
        t1, t2, flair = seen["t1"], seen["t2"], seen["flair"]
        assert t1["white"] > t1["grey"] > t1["necrosis"] > 0.9 * t1["fluid"]
        assert t2["fluid"] > t2["necrosis"] > t2["oedema"] > t2["grey"] > t2["white"]
        assert flair["oedema"] > 1.25 * flair["white"]
        assert flair["fluid"] < 0.65 * flair["white"]

    def test_gadolinium_shortens_t1_where_the_barrier_leaks(self):
        lit = mr_signal._with_gadolinium(TISSUES, 0.4)
        assert lit["enhancing"].t1 == pytest.approx(1000 / (1000 / 1450 + 4.5 * 0.4))
        assert lit["blood"].t1 < lit["enhancing"].t1
        assert lit["white"] == TISSUES["white"]


class TestRender:
    def test_is_a_patient(self, people):
        for patient in people:
            assert patient.image.shape == (4, *GRID)
            assert patient.image.dtype == torch.float32
            assert patient.label.shape == patient.brain.shape == GRID
            assert patient.label.dtype == torch.uint8
            assert patient.brain.dtype == torch.bool
            assert np.array_equal(patient.affine, anatomy.affine())
            assert patient.native_shape == GRID[::-1]
            assert np.array_equal(patient.native_affine, patient.affine)
        assert [patient.name for patient in people] == [
            "phantom-00",
            "phantom-01",
            f"phantom-{LOW:02d}",
        ]

    def test_labels(self, people):
        present = [set(patient.label.unique().tolist()) for patient in people]
        assert present == [{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2}]
        for patient in people:
            assert 5 < (patient.label > 0).sum() * 0.008 < 300  # ml
            assert patient.brain[patient.label > 0].all()

    def test_brains_are_as_large_as_brains(self, people):
        for patient in people:
            assert 1000 < patient.brain.sum() * 0.008 < 2100  # ml

    def test_is_normalised_inside_the_brain(self, people):
        for patient in people:
            inside = patient.image[:, patient.brain]
            assert inside.mean(1).abs().max() < 1e-3
            torch.testing.assert_close(inside.std(1), torch.ones(4), atol=1e-3, rtol=0)
            assert (patient.image[:, ~patient.brain] == 0).all()
            assert patient.image.isfinite().all()

    def test_each_modality_shows_its_part(self, people):
        for patient in people[:2]:
            flair, t1, t1ce, t2 = patient.image
            parts = [patient.label == k for k in (1, 2, 3)]
            core, oedema, enhancing = parts
            healthy = patient.brain & (patient.label == 0)
            assert flair[oedema].mean() > flair[healthy].mean() + 0.4
            assert t1[core].mean() < t1[healthy].mean()
            assert t2[core].mean() > t2[healthy].mean()
            gain = t1ce[enhancing].mean() - t1[enhancing].mean()
            assert gain > t1ce[oedema].mean() - t1[oedema].mean() + 0.5

    def test_the_numbers_decide(self, people):
        again = brains.render(3, 1)
        assert torch.equal(again.image, people[1].image)
        assert torch.equal(again.label, people[1].label)
        assert not torch.equal(people[0].label, people[1].label)

    def test_left_is_not_right(self, people):
        for patient in people:
            mirrored = patient.image.flip(-1)
            both = patient.brain & patient.brain.flip(-1)
            pair = torch.stack([patient.image[1][both], mirrored[1][both]])
            assert torch.corrcoef(pair)[0, 1] < 0.9

    @pytest.mark.parametrize("numbers", [(-1, 0), (2**32, 0), (0.5, 0), (0, -1)])
    def test_refuses_in_a_sentence(self, numbers):
        with pytest.raises(ValueError, match=r"^render: (seed|number) must be int, 0"):
            brains.render(*numbers)


class TestPatients:
    @pytest.fixture
    def rendering(self, monkeypatch, people):
        """Patient 0 in the place of each; the list tells which were rendered."""
        rendered = []

        def stand_in(seed, number):
            rendered.append(number)
            first = people[0]
            image, label = first.image * (1 + number), first.label
            return brains._patient(number, image.half().float(), label, first.brain)

        monkeypatch.setattr(brains, "render", stand_in)
        return rendered

    def test_are_kept_and_used_again(self, cache, rendering):
        first, kept = brains.patients(2), brains.patients(2)
        assert rendering == [0, 1]
        assert [patient.name for patient in kept] == ["phantom-00", "phantom-01"]
        for a, b in zip(first, kept, strict=True):
            for name in ("image", "label", "brain"):
                assert torch.equal(getattr(a, name), getattr(b, name))
                assert getattr(a, name).dtype == getattr(b, name).dtype

    def test_more_are_added_and_fewer_are_the_same(self, cache, rendering):
        brains.patients(1)
        many = brains.patients(3)
        assert rendering == [0, 1, 2]
        assert torch.equal(brains.patients(2)[1].image, many[1].image)
        assert rendering == [0, 1, 2]

    def test_each_seed_has_its_own(self, cache, rendering):
        brains.patients(1, seed=0)
        brains.patients(1, seed=5)
        assert rendering == [0, 0]
        assert len(list(cache.iterdir())) == 2

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: b"",
            lambda content: content[: len(content) // 2],
            lambda content: content[:-9000] + b"\7" * 50 + content[-8950:],
            lambda content: b"not a zip" * 1000,
        ],
    )
    def test_a_damaged_file_is_made_again(self, cache, rendering, damage):
        brains.patients(1)
        (path,) = cache.iterdir()
        content = path.read_bytes()
        path.write_bytes(damage(content))
        again = brains.patients(1)
        assert rendering == [0, 0]
        assert again[0].image.abs().sum() > 0
        assert len(path.read_bytes()) == len(content)

    def test_a_file_of_another_kind_is_made_again(self, cache, rendering):
        brains.patients(1)
        (path,) = cache.iterdir()
        np.savez(path, brain=np.zeros(3, np.uint8), label=np.zeros((1, 2, 2, 2)))
        brains.patients(1)
        assert rendering == [0, 0]

    def test_a_disk_that_cannot_be_written_does_not_matter(self, cache, rendering):
        cache.write_text("a file where the folder should be")
        assert len(brains.patients(2)) == 2
        assert len(brains.patients(2)) == 2
        assert rendering == [0, 1, 0, 1]

    def test_leaves_the_number_of_threads(self, cache, rendering):
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        brains.patients(1)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(before)

    def test_is_what_render_gives(self, cache, people):
        kept = brains.patients(1, seed=3)[0]
        assert torch.equal(kept.image, people[0].image)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"n": 0}, "patients: n must be int >= 1, got 0"),
            ({"n": 2.5}, "patients: n must be int >= 1"),
            ({"seed": -1}, "patients: seed must be int, 0..2"),
            ({"seed": 2**32}, "patients: seed must be int, 0..2"),
        ],
    )
    def test_refuses_in_a_sentence(self, settings, words):
        with pytest.raises(ValueError) as error:
            brains.patients(**settings)
        assert str(error.value).startswith(words)

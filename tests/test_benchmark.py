"""The benchmarks on a tiny budget: that they run and are honest, not that they win."""

import importlib.util
import json
import math
import re
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import data
from course_utils.data.brats_labels import regions
from course_utils.data.volumes import Patient
from course_utils.models import UNet

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
RESULT = re.compile(r"RESULT ratio=\S+ accuracy=0\.\d{4} seconds_to_99=\S+")


@pytest.fixture
def benchmark(monkeypatch):
    # It reads the folder of real files into a variable: not into that of other tests.
    monkeypatch.setenv("COURSE_DATA_DIR", "unused")
    return load("mnist_cpu")


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TINY = ["--source=embedded", "--images=640", "--epochs=2", "--official-epochs=2"]


def test_runs_and_ends_in_one_result_line(benchmark, capsys):
    benchmark.main(TINY)
    lines = capsys.readouterr().out.splitlines()
    assert RESULT.fullmatch(lines[-1])
    assert "ratio=nan" in lines[-1] and "seconds_to_99=nan" in lines[-1]
    assert "did not reach 99%" in lines[-2]
    runs = [line.split()[0] for line in lines if "CPU-s" in line]
    assert runs == ["ours", "ours", "official", "official"]
    assert "61,306 parameters  1 epochs" in lines[2]
    assert "61,306 parameters  2 epochs" in lines[3]
    assert "1,199,882 parameters" in lines[-3]  # as the official example has


def test_stops_where_the_target_is_reached(benchmark, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "TARGET", 0.11)
    benchmark.main([*TINY, "--epochs=1"])
    lines = capsys.readouterr().out.splitlines()
    assert sum("official  " in line for line in lines) == 1
    ratio = float(re.search(r"ratio=([\d.]+)", lines[-1])[1])
    short, _long, official = (
        float(re.search(r"([\d.]+) CPU-s", line)[1])
        for line in lines
        if "CPU-s" in line
    )
    assert ratio == pytest.approx(official / short, rel=0.3)  # printed to one decimal
    assert "Both reached" in lines[-2]


@pytest.mark.parametrize(
    ("theirs", "quick", "meaning", "result"),
    [
        ([(50.0, 0.98), (150.0, 0.991)], 10.0, "15.0 times sooner", "ratio=15.0"),
        ([(50.0, 0.98), (150.0, 0.985)], 10.0, "lower bound, >= 15.0", "ratio=15.0"),
        ([(50.0, 0.995)], math.nan, "there is no ratio", "ratio=nan"),
    ],
)
def test_verdict(benchmark, theirs, quick, meaning, result):
    lines = benchmark.verdict(theirs, quick, 0.9955)
    assert meaning in lines[0]
    assert RESULT.fullmatch(lines[1]) and result in lines[1]
    assert "accuracy=0.9955" in lines[1]


def test_torchvision_reads_what_we_write(benchmark, tmp_path):
    from torchvision.datasets import MNIST

    x = torch.randint(0, 256, (7, 1, 28, 28), dtype=torch.uint8)
    y = torch.arange(7)
    benchmark.write_idx(tmp_path, (x, y), (x[:3], y[:3]))
    train, test = MNIST(tmp_path, train=True), MNIST(tmp_path, train=False)
    assert torch.equal(train.data, x[:, 0]) and torch.equal(train.targets, y)
    assert torch.equal(test.data, x[:3, 0]) and len(test) == 3


def test_unknown_source(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--source", "somewhere"])
    assert "invalid choice" in capsys.readouterr().err


# --- sign_language_cpu.py ---


@pytest.fixture
def signs(monkeypatch):
    """The benchmark, with noise in place of hands: nothing to render or download."""

    def sign_language(source):
        parts = [split(n, seed=n) for n in (130, 20, 50)]
        return data.Dataset(*parts, tuple("AB"), f"noise, {source}", source == "folder")

    def split(n, seed):
        return data.Split(noise(torch.arange(n), seed=seed), torch.arange(n) % 24)

    def noise(letters, *, seed):
        g = torch.Generator().manual_seed(1000 + seed)
        shape = (len(letters), 1, 28, 28)
        return torch.randint(0, 256, shape, generator=g, dtype=torch.uint8)

    module = load("sign_language_cpu")
    monkeypatch.setattr(module.data, "sign_language", sign_language)
    monkeypatch.setattr(module.hands, "render", noise)
    monkeypatch.setattr(module, "RENDERED", 10)
    return module


SIGNS_RESULT = re.compile(
    r"RESULT accuracy=[01]\.\d{4} naive=[01]\.\d{4} rendered_only=\S+ "
    r"cpu_seconds=\d+\.\d"
)


def test_signs_run_and_end_in_one_result_line(signs, capsys):
    signs.main(["--source=folder", "--epochs=1", "--images=64", "--seeds", "0", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "noise, folder" and "50 test photos" in lines[1]
    runs = [line[:13].strip() for line in lines if "CPU-s  " in line]
    assert runs == ["naive"] * 2 + ["ours"] * 2 + ["rendered only"] * 2
    assert SIGNS_RESULT.fullmatch(lines[-1]) and "nan" not in lines[-1]


def test_signs_embedded_have_no_figure_of_their_own_beside_them(signs, capsys):
    signs.main(["--source=embedded", "--epochs=1", "--images=64", "--seeds", "0"])
    lines = capsys.readouterr().out.splitlines()
    assert SIGNS_RESULT.fullmatch(lines[-1])
    assert "rendered_only=nan" in lines[-1]


def test_signs_never_train_on_the_test_photos(signs):
    photos = signs.data.sign_language("folder")
    sets = signs.experiments(photos, images=None)
    images = {name: {bytes(x.numpy()) for x in s[1].x} for name, s in sets.items()}
    for seen in images.values():
        assert not any(bytes(x.numpy()) in seen for x in photos.test.x)
    assert len(images["naive"]) == 150  # train and validation
    assert len(images["ours"]) == 390  # and all that is rendered
    assert images["rendered only"] == images["ours"] - images["naive"]


def test_signs_normalise_each_image_by_itself(signs):
    x = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    z = signs.normalize(x)
    assert z.mean((1, 2, 3)).abs().max() < 1e-5
    assert torch.equal(z[1:2], signs.normalize(x[1:2]))
    assert torch.equal(signs.normalize(torch.full_like(x, 7)), torch.zeros(x.shape))


def test_signs_interval_knows_that_a_photo_is_one_piece_of_news(signs):
    photo = torch.arange(50).repeat_interleave(20)
    right = (photo < 40).double()
    low, high = signs.interval_by_photo(right, photo)
    # Standard error of 40 of 50: 0.057; of 800 of 1,000 images it would be 0.013.
    assert low == pytest.approx(0.8 - 1.96 * 0.057, abs=0.03)
    assert high == pytest.approx(0.8 + 1.96 * 0.057, abs=0.03)


def test_signs_verdict_takes_means_over_seeds(signs):
    half, whole = torch.tensor([True, False] * 2), torch.ones(4, dtype=torch.bool)
    runs = {"naive": [(half, 1.0)], "ours": [(half, 100.0), (whole, 110.0)]}
    lines = signs.verdict(runs, torch.tensor([0, 0, 1, 1]))
    assert "mean of 2: 75.00%" in lines[1]
    assert lines[-1] == (
        "RESULT accuracy=0.7500 naive=0.5000 rendered_only=nan cpu_seconds=105.0"
    )


# --- brats_cpu.py ---

SIDES = (32, 32, 64)  # the smallest that MONAI's five levels can halve after pooling


def brain(seed, channels=2, label=None):
    """A patient of noise with a bright block of tumour, whose file is twice as fine."""
    g = torch.Generator().manual_seed(seed)
    if label is None:
        label = torch.zeros(SIDES, dtype=torch.uint8)
        start = 8 + seed
        label[10:20, 10:20, start : start + 12] = 2
        label[12:18, 12:18, start + 2 : start + 10] = 3
        label[14:16, 14:16, start + 4 : start + 8] = 1
    image = 0.3 * torch.randn(channels, *SIDES, generator=g)
    image[0] += 3.0 * (label > 0)
    image[1:] += 3.0 * (label == 3)
    fine = np.diag([1.0, 1.0, 1.0, 1.0])
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    grid[:3, 3] = 0.5
    return Patient(
        name=f"patient-{seed}",
        image=image,
        label=label,
        brain=torch.ones(SIDES, dtype=torch.bool),
        affine=grid,
        native_shape=tuple(2 * side for side in reversed(SIDES)),
        native_affine=fine,
    )


def fine_truth(patient):
    """bool (3, i, j, k): its regions on the voxels of its file, each 2x2x2 in one."""
    mask = regions(patient.label).permute(0, 3, 2, 1)
    for dim in (1, 2, 3):
        mask = mask.repeat_interleave(2, dim)
    return mask


@pytest.fixture
def tumours(monkeypatch):
    """The benchmark, with three blocks of noise in place of patients and phantoms."""
    from course_utils.data.synthetic import brains

    patients = [brain(seed) for seed in range(3)]
    module = load("brats_cpu")
    truths = [fine_truth(patient) for patient in patients]
    monkeypatch.setattr(module, "real", lambda folder, modalities: (patients, truths))
    monkeypatch.setattr(module, "SIDE", 32)
    monkeypatch.setattr(module, "STEPS", 1)
    monkeypatch.setattr(brains, "patients", lambda n: [brain(7, 4), brain(8, 4)])
    return module


BRATS_RESULT = re.compile(
    r"RESULT dice=\S+ threshold=\S+ monai=\S+ margin=\S+ speed_ratio=\S+ "
    r"phantom_only=\S+"
)


def tiny(channels, outputs, dims=2):
    return UNet(channels, outputs, width=4, levels=2, dims=dims)


def tiny_3d(channels, outputs):
    return tiny(channels, outputs, dims=3)


def test_brats_runs_every_part_and_ends_in_one_result_line(
    tumours, capsys, tmp_path, monkeypatch
):
    patients, truths = tumours.real(None, None)
    monkeypatch.setattr(tumours, "real", lambda *where: (patients[:2], truths[:2]))
    rows = {
        "ours": tumours.Recipe(tiny, 20),
        "ours in volumes": tumours.Recipe(tiny_3d, 2, voxel=2),
        "MONAI BasicUNet": tumours.Recipe(tiny, 20),
    }
    monkeypatch.setattr(tumours, "MIXED", rows)
    monkeypatch.setattr(tumours, "OURS", rows["ours"])
    file = tmp_path / "new" / "measured.json"
    tumours.main(["--epochs=1", f"--write={file}", "--date=2026-11-22"])
    lines = capsys.readouterr().out.splitlines()
    assert BRATS_RESULT.fullmatch(lines[-1]) and "nan" not in lines[-1]
    measured = json.loads(file.read_text())
    assert {*measured} == {*tumours.PARTS}
    assert measured["whole"]["date"] == "2026-11-22"
    outputs = {"whole": 1, "synthetic": 1, "regions": 3, "synthetic_regions": 3}
    for part, regions_of_it in outputs.items():
        assert measured[part]["patients"] == [f"patient-{n}" for n in range(2)]
        assert {"ours", "ours in volumes"} <= {*measured[part]["methods"]}
        runs = 1 if part.startswith("synthetic") else 2
        for method in measured[part]["methods"].values():
            assert torch.tensor(method["dice"]).shape == (1, 2, regions_of_it)
            assert torch.tensor(method["seconds"]).shape == (1, runs)
    assert {"threshold", "ours, real only", "MONAI BasicUNet"} <= {
        *measured["whole"]["methods"]
    }


def test_brats_keeps_what_was_not_run(tumours, tmp_path):
    file = tmp_path / "measured.json"
    old = {"methods": {"threshold": 1, "ours": 2}}
    file.write_text(json.dumps({"whole": old, "speed": {"old": True}}))
    measured = tumours.write("whole", {"methods": {"ours": 3}}, file)
    assert measured == json.loads(file.read_text())
    assert measured["whole"]["methods"] == {"threshold": 1, "ours": 3}
    assert measured["speed"] == {"old": True}
    options = types.SimpleNamespace(methods=["ours"])
    assert tumours.chosen(["threshold", "ours"], options) == ["ours"]
    options = types.SimpleNamespace(methods=None)
    assert tumours.chosen(["threshold", "ours"], options) == ["threshold", "ours"]


def test_brats_never_learns_from_the_patient_left_out(tumours):
    patients, truths = tumours.real(None, None)
    seen = []

    def method(train, tests):
        seen.append(([p.name for p in train], [p.name for p in tests]))
        truth = truths[int(tests[0].name[-1])]
        return tumours.Found([truth[:1]], 1.0, 0)

    run = tumours.leave_one_out(method, patients, truths)
    names = [p.name for p in patients]
    assert [test for _train, [test] in seen] == names
    assert all({*train} == {*names} - {*test} for train, test in seen)
    assert run["dice"] == [[1.0]] * 3


def test_brats_real_patients_are_seen_twice_where_phantoms_join_them(
    tumours, monkeypatch
):
    patients, _truths = tumours.real(None, None)
    seen = []
    monkeypatch.setattr(
        tumours.methods, "network", lambda recipe, train, *a, **k: seen.append(train)
    )
    options = types.SimpleNamespace(epochs=None)
    for more in ([], [brain(7)]):
        method = tumours.learner(tumours.OURS, options, outputs=1, more=more.copy)
        method(0)(patients[1:], patients[:1])
    alone, joined = ([p.name for p in train] for train in seen)
    assert alone == ["patient-1", "patient-2"]
    assert sorted(joined) == [
        "patient-1",
        "patient-1",
        "patient-2",
        "patient-2",
        "patient-7",
    ]


def test_brats_thresholds_find_what_is_bright(tumours):
    patients, truths = tumours.real(None, None)
    for outputs, method in (
        (1, tumours.methods.threshold_whole),
        (3, tumours.methods.threshold_regions),
    ):
        run = tumours.leave_one_out(method, patients, truths)
        assert torch.tensor(run["dice"]).shape == (3, outputs)
        # The mean of 3x3x3 voxels, and the linear way to the file, cost the corners.
        assert torch.tensor(run["dice"]).min() > 0.7


def test_brats_thresholds_do_not_look_at_the_mask_to_be_found(tumours):
    patients, _truths = tumours.real(None, None)
    blind = replace(patients[0], label=torch.zeros(SIDES, dtype=torch.uint8))
    for method in (
        tumours.methods.threshold_whole,
        tumours.methods.threshold_regions,
    ):
        [mask], [same] = (method(patients[1:], [p]).masks for p in (patients[0], blind))
        assert torch.equal(mask, same)


def test_brats_fields_are_read_where_the_file_has_its_voxels(tumours):
    # A field that is its own place in millimetres must say so from any grid.
    patient = replace(
        brain(0),
        affine=np.array(
            [[-2, 0, 0, 90], [0, -2, 0, 126], [0, 0, 2, -72], [0, 0, 0, 1]], float
        ),
        native_shape=(20, 24, 18),
        native_affine=np.array(
            [[0, 0, 3, 40], [-1, 0, 0, 80], [0, 1, 0, -60], [0, 0, 0, 1]], float
        ),
    )
    d, h, w = torch.meshgrid(*(torch.arange(float(s)) for s in SIDES), indexing="ij")
    places = [90 - 2 * w, 126 - 2 * h, -72 + 2 * d]
    i, j, k = torch.meshgrid(
        *(torch.arange(float(s)) for s in (20, 24, 18)), indexing="ij"
    )
    for place, there in zip(places, [40 + 3 * k, 80 - i, -60 + j], strict=True):
        read = tumours.methods.to_native(place, patient)
        inside = read != 0
        assert inside.float().mean() > 0.5
        assert torch.allclose(read[inside], there[inside], atol=1e-3)


def test_brats_reads_the_experts_mask_as_the_file_has_it(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    module = load("brats_cpu")
    folder = tmp_path / "case_0"
    folder.mkdir()
    rng = np.random.RandomState(0)
    mask = np.zeros((30, 36, 32), np.uint8)
    mask[10:15, 12:20, 8:11] = 1
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    for name, array in (
        ("FLAIR", rng.rand(30, 36, 32).astype(np.float32) + 1),
        ("T1", rng.rand(30, 36, 32).astype(np.float32) + 1),
        ("GT_W", mask),
    ):
        nibabel.save(nibabel.Nifti1Image(array, affine), folder / f"{name}.nii.gz")
    [patient], [truth] = module.real(tmp_path, ("flair", "t1"))
    assert patient.image.shape[0] == 2
    assert np.array_equal(truth[0].numpy(), mask > 0) and not truth[1:].any()
    field = patient.label.float()
    back = module.methods.to_native(field / 2, patient) > 0.5
    assert module.dice(back[None, None], truth[None, :1]).item() > 0.8


def test_brats_verdict(tumours):
    def run(*seeds):
        return {"dice": [[[d] for d in dices] for dices in seeds]}

    measured = {
        "whole": {
            "patients": ["A", tumours.HARD],
            "methods": {
                "threshold": run([0.9, 0.5]),
                "ours": run([0.9, 0.7], [0.8, 0.6]),
                "MONAI BasicUNet": run([0.6, 0.6]),
                "MONAI AttentionUnet": run([0.7, 0.6]),
            },
        },
        "synthetic": {"methods": {"ours": run([0.8, 0.6])}},
        "speed": {
            "images_per_cpu_second": {"fp32": {"ours": 6.0, "MONAI BasicUNet": 4.0}}
        },
    }
    *lines, last = tumours.verdict(measured)
    assert last == (
        "RESULT dice=0.750 threshold=0.700 monai=0.650 margin=0.050 "
        "speed_ratio=1.500 phantom_only=0.700"
    )
    assert "ours - MONAI AttentionUnet = +0.100" in lines[0]
    assert "ours - threshold = +0.050" in lines[2] and "patient +0.150" in lines[2]
    del measured["whole"]["methods"]["ours"], measured["synthetic"]
    assert tumours.verdict(measured) == [
        "RESULT dice=nan threshold=0.700 monai=0.650 margin=nan speed_ratio=1.500 "
        "phantom_only=nan"
    ]
    assert tumours.verdict({})[-1].count("nan") == 6


@pytest.mark.parametrize("name", ["monai_basic", "monai_attention"])
def test_brats_peers_take_the_same_pictures(tumours, name):
    pytest.importorskip("monai")
    model = getattr(tumours.methods, name)(2, 3)
    assert model(torch.zeros(1, 2, 16, 32)).shape == (1, 3, 16, 32)


def test_brats_learns_from_every_slice_with_tumour(tumours, monkeypatch):
    patients, _truths = tumours.real(None, None)
    seen = []
    monkeypatch.setattr(
        tumours.methods, "fit_segmentation", lambda model, pair, **k: seen.append(pair)
    )
    tumours.methods.learn(tumours.Recipe(tiny, 20), patients, 1, 0, 1)
    [(x, y)] = seen
    marked = [(p.label > 0).flatten(1).any(1) for p in patients]
    assert y.flatten(1).any(1).sum() == sum(m.sum() for m in marked)
    # And a third of the others, give or take the one where counting begins.
    empty = sum(
        (~m & p.brain.flatten(1).any(1)).sum()
        for m, p in zip(marked, patients, strict=True)
    )
    assert len(x) - y.flatten(1).any(1).sum() == pytest.approx(empty / 3, abs=3)


def test_brightness_fails_the_hard_patient_by_marking_healthy_brain():
    # As the notebook tells it: not by leaving tumour out.
    tumours = load("brats_cpu")
    folder = tumours.default_folder() / "brats_expert_wt"
    if not folder.is_dir():
        pytest.skip(f"real patients are not at {folder}")
    patients, truths = tumours.real(folder, ("flair", "t1"))
    hard = [patient.name for patient in patients].index(tumours.HARD)
    others = patients[:hard] + patients[hard + 1 :]
    found = tumours.methods.threshold_whole(others, [patients[hard]]).masks[0][0]
    hit = (found & truths[hard][0]).sum()
    assert hit / truths[hard][0].sum() > 0.85  # sensitivity
    assert hit / found.sum() < 0.40  # precision


def test_the_row_with_attention_differs_from_ours_in_its_gates_only():
    rows = load("brats_cpu").MIXED
    plain, gated = rows["ours"], rows["ours with attention"]
    assert [len(row.make(2, 1).gates) for row in (plain, gated)] == [0, 3]
    assert replace(gated, make=plain.make) == plain


def test_the_readme_says_what_the_measured_figures_say():
    tumours = load("brats_cpu")
    said = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    measured = json.loads(tumours.MEASURED.read_text(encoding="utf-8"))
    assert set(tumours.verdict(measured)) <= set(said)

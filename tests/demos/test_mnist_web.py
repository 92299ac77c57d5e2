"""The folder of the page: what is exported into it, how it is built and served."""

import copy
import http.client
import importlib
import json
import shutil
import socket
import sys
import types
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.data import mnist
from course_utils.demos import mnist_web, onnx_file, places, runtime_files, serving
from course_utils.demos.__main__ import main
from course_utils.locale import _, language, set_language
from course_utils.models import digit_cnn

onnxruntime = pytest.importorskip("onnxruntime")
NORMALISED = {"mean": 0.1307, "std": 0.3081}


@pytest.fixture(autouse=True)
def plain_settings(tmp_path, monkeypatch):
    """English, a cache folder of its own, and small stand-ins for onnxruntime-web."""
    set_language("en")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in runtime_files.FILES:
        (runtime / name).write_text(f"// {name}\n" * 100)
    monkeypatch.setattr(runtime_files, "fetch", lambda: runtime)


@pytest.fixture
def network():
    torch.manual_seed(3)
    return digit_cnn(width=4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """One export, which takes seconds: the network, before and after; its file."""
    torch.manual_seed(3)
    network = digit_cnn(width=4)
    # Statistics that no one would have left alone: batch norm must be in eval mode.
    network.train()(torch.randn(32, 1, 28, 28) * 3)
    network[1].eval()  # frozen by hand
    before = {name: value.clone() for name, value in network.state_dict().items()}
    path = tmp_path_factory.mktemp("alone") / "digits.onnx"
    assert onnx_file.export(network, path, **NORMALISED) == [4, 14, 14]
    return network, before, path


@pytest.fixture
def quick(monkeypatch):
    """Instead of an export of seconds, the first weight in a file."""

    def export(model, path, **statistics):
        path.write_text(str(next(model.parameters()).flatten()[0].item()))
        return [4, 14, 14]

    monkeypatch.setattr(mnist_web, "export", export)


class Plain(nn.Module):
    """A network as learners write it: layers by name, the rest in forward."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 7 * 7, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2)
        return self.fc(x.flatten(1))


def contents_of(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


# --- the ONNX file --------------------------------------------------------------------


def test_the_file_answers_like_the_network_and_normalises_by_itself(exported):
    network, _before, path = exported
    network = copy.deepcopy(network).eval()
    session = onnxruntime.InferenceSession(path)
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("image", "tensor(float)", [1, 1, 28, 28])
    ]
    for digit in mnist("embedded").test.x[:20]:
        x = (digit[None].float() / 255 - 0.1307) / 0.3081
        with torch.no_grad():
            expected, maps = network(x).softmax(1), network[0](x)
        ink = digit[None].numpy().astype(np.float32)
        found, features = session.run(["probabilities", "features"], {"image": ink})
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
        np.testing.assert_allclose(features, maps.numpy(), atol=1e-4)


def test_the_network_stays_as_it_was(exported):
    network, before, _path = exported
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert network.training and network[0].training and not network[1].training
    assert not network[0]._forward_hooks


def test_the_file_is_alone_and_says_nothing_of_this_disk(exported):
    *_networks, path = exported
    assert [*path.parent.iterdir()] == [path]
    content = path.read_bytes()
    root = str(places.demos_folder().parent).encode()
    assert root not in content and b"site-packages" not in content
    assert len(content) < 40_000


@pytest.mark.parametrize(
    ("make", "features"),
    [
        (Plain, [6, 28, 28]),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), []),
        (
            lambda: nn.Sequential(
                nn.Sequential(
                    nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU()),
                    nn.Conv2d(3, 5, 3, stride=2),
                ),
                nn.Flatten(),
                nn.LazyLinear(10),
            ),
            [3, 26, 26],
        ),
    ],
    ids=["forward by hand", "no convolution", "nested"],
)
def test_any_network_of_digits_can_be_exported(tmp_path, make, features):
    network = make()
    network(torch.zeros(2, 1, 28, 28))
    path = tmp_path / "digits.onnx"
    assert onnx_file.export(network, path, **NORMALISED) == features
    outputs = [o.name for o in onnxruntime.InferenceSession(path).get_outputs()]
    assert outputs == ["probabilities", "features"][: 2 if features else 1]


def spoilt():
    network = digit_cnn(2)
    nn.init.constant_(network[-1].bias, float("nan"))
    return network


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: digit_cnn(2)[:-1], r"must give logits of shape \(4, 10\), it gave"),
        (lambda: nn.Linear(5, 10), r"cannot take images \(N, 1, 28, 28\)"),
        (lambda: nn.Conv2d(3, 10, 28), r"cannot take images \(N, 1, 28, 28\)"),
        (lambda: nn.Sequential(digit_cnn(2), nn.Softmax(1)), "second softmax"),
        (spoilt, "not finite"),
    ],
)
def test_another_network_is_refused_in_one_sentence(tmp_path, make, sentence):
    path = tmp_path / "digits.onnx"
    with pytest.raises(ValueError, match=sentence) as refused:
        onnx_file.export(make(), path, **NORMALISED)
    assert "\n" not in str(refused.value)
    assert not path.exists()


@pytest.mark.parametrize("wrong", [{"std": 0}, {"std": -1}, {"mean": float("nan")}])
def test_a_normalisation_that_cannot_be_is_refused(network, tmp_path, wrong):
    with pytest.raises(ValueError, match=r"^export: (std|mean) must be"):
        onnx_file.export(network, tmp_path / "x.onnx", **{**NORMALISED, **wrong})


def test_a_package_that_is_missing_is_named(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RuntimeError, match=r"onnx is missing.*pip install onnx onnx"):
        onnx_file.export(network, tmp_path / "x.onnx", **NORMALISED)


# --- the folder -----------------------------------------------------------------------


def test_the_folder_has_all_that_the_page_needs(network, tmp_path):
    page = mnist_web.build(
        network,
        tmp_path / "page",
        **NORMALISED,
        lang="es",
        source=mnist("embedded").source,
        accuracy=0.5,
        tested=500,
    )
    found = contents_of(page.folder)
    sources = {p.name for p in (places.demos_folder() / "mnist_web").glob("[!.]*.*")}
    built = {"digits.onnx", "digits.json", "words.json"}
    pad = {"drawing_pad.js", "drawing_pad.css"}
    ort = {f"ort/{name}" for name in [*runtime_files.FILES, "LICENSE.txt"]}
    assert set(found) == {n for n in sources if n[-3:] != ".md"} | built | pad | ort
    about = json.loads(found["digits.json"])
    assert about.pop("created").startswith("20")
    assert about == {
        "lang": "es",
        "parameters": 4102,
        "source": about["source"],
        "accuracy": 0.5,
        "tested": 500,
        **NORMALISED,
        "features": [4, 14, 14],
    }
    assert about["source"]["en"].startswith("5,000 real digits of MNIST")
    assert about["source"]["es"].startswith("5,000 dígitos reales de MNIST")
    words = json.loads(found["words.json"])
    assert words["en"]["reset"] == "Reset" != words["es"]["reset"]
    assert words["en"].keys() == words["es"].keys()
    assert language() == "en"
    assert page.size == sum(map(len, found.values()))
    assert 0 < page.gzipped < page.size
    assert str(page).startswith(f"{page.folder}: {page.size:,} bytes, ")


def test_an_earlier_page_is_replaced_and_what_was_added_to_it_stays(
    quick, network, tmp_path
):
    folder = tmp_path / "page"
    page = mnist_web.build(network, folder, **NORMALISED)
    added = {".git/HEAD": b"ref", "CNAME": b"example.org", "ort/notes.txt": b"mine"}
    for name, content in added.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    first, inode = contents_of(folder), folder.stat().st_ino
    torch.manual_seed(4)
    again = mnist_web.build(digit_cnn(2), folder, lang="es", **NORMALISED)
    second = contents_of(folder)
    assert set(second) == set(first)
    assert {name for name in first if second[name] != first[name]} == {
        "digits.onnx",
        "digits.json",
    }
    assert folder.stat().st_ino == inode  # a terminal or a server may stand in it
    assert page.size < sum(map(len, first.values()))  # of the page alone
    assert again.size == sum(map(len, second.values())) - sum(map(len, added.values()))
    assert [p.name for p in tmp_path.iterdir() if p.name[0] == "."] == []


def test_a_folder_with_only_hidden_files_counts_as_empty(quick, network, tmp_path):
    (tmp_path / "site" / ".git").mkdir(parents=True)
    (tmp_path / "site" / ".DS_Store").touch()
    page = mnist_web.build(network, tmp_path / "site", **NORMALISED)
    assert {"index.html", ".DS_Store"} < set(contents_of(page.folder))


def test_a_folder_that_cannot_be_written_gives_a_sentence(quick, network, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "page"
    with pytest.raises(ValueError, match=r"cannot be written \(.+\): name another"):
        mnist_web.build(network, folder, **NORMALISED)


def test_by_default_the_page_lies_in_the_cache(quick, network, tmp_path):
    page = mnist_web.build(network, **NORMALISED)
    assert page.folder == tmp_path / "cache" / "mnist_web"


def test_a_folder_with_other_things_is_left_alone(network, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    with pytest.raises(ValueError, match="is no page of ours"):
        mnist_web.build(network, folder, **NORMALISED)
    with pytest.raises(ValueError, match="is no page of ours"):
        mnist_web.build(network, folder / "chapter.txt", **NORMALISED)
    assert contents_of(folder) == {"chapter.txt": b"years of work"}
    weights = tmp_path / "weights"  # as demos/weights: its digits.json is a card
    weights.mkdir()
    (weights / "digits.json").write_text("{}")
    with pytest.raises(ValueError, match="is no page of ours"):
        mnist_web.build(network, weights, **NORMALISED)


@pytest.mark.parametrize("there", [True, False])
def test_what_goes_wrong_in_the_middle_changes_nothing(
    quick, network, tmp_path, monkeypatch, there
):
    folder = tmp_path / "page"
    if there:
        mnist_web.build(network, folder, **NORMALISED)
    before = contents_of(tmp_path / "page")

    def fail():
        raise RuntimeError("no network")

    monkeypatch.setattr(runtime_files, "fetch", fail)
    with pytest.raises(RuntimeError, match="no network"):
        mnist_web.build(digit_cnn(2), folder, **NORMALISED)
    assert contents_of(folder) == before
    assert folder.exists() == there
    assert [p.name for p in tmp_path.iterdir() if p.name[0] == "."] == []


def test_numbers_that_differ_are_not_published(
    exported, network, tmp_path, monkeypatch
):
    def write(published, names, path):  # that of other weights
        shutil.copyfile(exported[-1], path)

    monkeypatch.setattr(onnx_file, "_write", write)
    with pytest.raises(RuntimeError, match=r"differs from PyTorch's by"):
        mnist_web.build(network, tmp_path / "page", **NORMALISED)
    assert not (tmp_path / "page").exists()


def test_an_unknown_language_is_refused_before_any_work(network, tmp_path):
    with pytest.raises(ValueError, match=r"build: lang is 'fr'"):
        mnist_web.build(network, tmp_path / "page", **NORMALISED, lang="fr")


def test_the_demos_are_found_where_pip_puts_them(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "course_utils" / "demos" / "places.py"
    monkeypatch.setattr(places, "__file__", str(package))
    monkeypatch.setattr(places.sysconfig, "get_path", lambda *a: str(tmp_path / "env"))
    with pytest.raises(RuntimeError, match="neither beside course_utils"):
        places.demos_folder()
    folder = tmp_path / "env" / "share" / "deep-learning-medical-images" / "demos"
    folder.mkdir(parents=True)
    assert places.demos_folder() == folder


# --- the server -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "site"
    (folder / "ort").mkdir(parents=True)
    (folder / "index.html").write_text("<p>here")
    for name in ("a.mjs", "b.wasm", "c.js", "d.json", "e.css", "f.onnx", "g.svg"):
        (folder / "ort" / name).write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def site(folder, capsys):
    site = serving.serve(folder)
    yield site
    site.stop()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("ort/a.mjs", "text/javascript; charset=utf-8"),
        ("ort/b.wasm", "application/wasm"),
        ("ort/c.js", "text/javascript; charset=utf-8"),
        ("ort/d.json", "application/json"),
        ("ort/e.css", "text/css; charset=utf-8"),
        ("ort/f.onnx", "application/octet-stream"),
        ("ort/g.svg", "image/svg+xml"),
    ],
)
def test_each_file_has_the_type_that_browsers_want(site, path, kind):
    with urllib.request.urlopen(site.address + path) as answer:
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Cache-Control"] == "no-cache"


def test_it_says_where_the_page_is_and_does_not_block(site, capsys):
    assert site.address.startswith("http://127.0.0.1:")
    assert site.server.server_address[0] == "127.0.0.1"
    assert site.thread.is_alive() and site.thread.daemon
    assert repr(site) == f"{site.address} (its method stop() ends it)"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(site.address + "missing.js")
    assert capsys.readouterr().err == ""  # no line for each request


def test_nothing_outside_of_the_folder_is_served(site):
    connection = http.client.HTTPConnection("127.0.0.1", site.server.server_port)
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/ort/../../secret.txt"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 404
        assert b"secret" not in answer.read()


def test_stop_ends_it_and_may_be_called_again(folder):
    site = serving.serve(folder)
    site.stop()
    site.stop()
    assert not site.thread.is_alive()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", site.server.server_port), timeout=1)


def test_a_port_that_is_taken_gives_another_one_and_a_sentence(folder, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        site = serving.serve(folder, taken)
        site.stop()
    assert site.server.server_port != taken
    said = capsys.readouterr().out
    assert f"Port {taken} is taken or not allowed: another one is used." in said
    assert site.address in said


def test_a_free_port_is_the_one_that_was_asked_for(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site = serving.serve(folder, port)
    site.stop()
    assert site.address == f"http://127.0.0.1:{port}/"


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused(folder, port):
    with pytest.raises(ValueError, match=r"port must be 0 \.\. 65535"):
        serving.serve(folder, port)


def test_a_folder_without_a_page_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no index\.html in"):
        serving.serve(tmp_path)


def test_in_colab_the_address_leads_to_its_machine(folder, monkeypatch):
    output = types.ModuleType("google.colab.output")
    output.eval_js = lambda script: f"https://colab.example/?{script}"
    found = importlib.import_module
    monkeypatch.setattr(
        serving.importlib,
        "import_module",
        lambda name: output if name == output.__name__ else found(name),
    )
    site = serving.serve(folder)
    site.stop()
    port = site.server.server_port
    assert (
        site.address == f"https://colab.example/?google.colab.kernel.proxyPort({port})"
    )


# --- the command ----------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "mine.pt"
    torch.save(digit_cnn(3).state_dict(), path)
    return path


def test_out_writes_the_folder_and_does_not_serve(quick, weights, tmp_path, capsys):
    out = tmp_path / "upload"
    assert main(["mnist", "--weights", str(weights), "--out", str(out)]) == 0
    about = json.loads((out / "digits.json").read_text(encoding="utf-8"))
    assert about["lang"] == "es"
    assert about["accuracy"] is None and about["tested"] is None
    assert about["source"]["en"] == "unknown: weights of your own"
    assert about["source"]["es"].startswith("desconocidos")
    assert (about["mean"], about["std"]) == (0.1307, 0.3081)
    said = capsys.readouterr().out
    assert str(out) in said and _("Upload this folder to any static host.") in said


@pytest.mark.parametrize("flags", [[], ["--no-browser"]], ids=str)
def test_it_serves_until_ctrl_c(quick, weights, monkeypatch, capsys, flags):
    seen = []

    def interrupted(seconds):
        address = capsys.readouterr().out.split("http")[1].split()[0]
        with urllib.request.urlopen(f"http{address}") as answer:
            seen.append((f"http{address}", b"drawing_pad.css" in answer.read()))
        raise KeyboardInterrupt

    opened = []
    command = sys.modules[main.__module__]
    monkeypatch.setattr(command.time, "sleep", interrupted)
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    assert main(["mnist", "--lang", "en", "--weights", str(weights), *flags]) == 0
    ((address, is_the_page),) = seen
    assert is_the_page and opened == ([] if flags else [address])
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "content", [None, b"", b"not weights", b"PK\x03\x04 cut"], ids=str
)
def test_a_bad_file_gives_a_sentence_and_no_traceback(tmp_path, capsys, content):
    path = tmp_path / "bad.pt"
    if content is not None:
        path.write_bytes(content)
    out = tmp_path / "upload"
    arguments = ["mnist", "--lang", "en", "--weights", str(path), "--out", str(out)]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(path) in said
    assert not out.exists()

import hashlib
import http.server
import threading

import pytest
import torch

from course_utils import pretrained
from course_utils.data import sources
from course_utils.locale import set_language

models = pytest.importorskip("torchvision.models")

NAME = "resnet18-f37072fd.pth"


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch):
    set_language("en")
    monkeypatch.delenv("COURSE_DATA", raising=False)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where torch.hub keeps the weights, in a folder that is not yet there."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "torch" / "hub" / "checkpoints" / NAME


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file like the real one, of other numbers: (its bytes, the numbers)."""
    torch.manual_seed(5)
    state = models.resnet18().state_dict()
    file = tmp_path_factory.mktemp("weights") / NAME
    torch.save(state, file)
    return file.read_bytes(), state


def keep(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def offline(monkeypatch):
    monkeypatch.setattr(sources, "online", lambda url: False)


@pytest.fixture
def server(weights, monkeypatch):
    """A loopback server of the file, which counts as PyTorch's; server.body is sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(httpd.body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(httpd.body)

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.body = weights[0]
    httpd.name = f"resnet18-{hashlib.sha256(weights[0]).hexdigest()[:8]}.pth"
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{httpd.server_port}/models/{httpd.name}"
    monkeypatch.setattr(pretrained, "URL", url)
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def test_the_address_is_torchvisions():
    assert models.ResNet18_Weights.IMAGENET1K_V1.url == pretrained.URL


def test_weights_at_hand_are_used(path, weights, monkeypatch, capsys):
    keep(path, weights[0])
    monkeypatch.setattr(sources, "online", lambda url: pytest.fail("asks the network"))
    model = pretrained.imagenet_resnet18()
    assert not model.training
    assert all(torch.equal(v, weights[1][k]) for k, v in model.state_dict().items())
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 64, 64)).shape == (1, 1000)
    assert capsys.readouterr() == ("", "")


def test_no_network(path, monkeypatch, capsys):
    offline(monkeypatch)
    assert pretrained.imagenet_resnet18() is None
    said = capsys.readouterr().out
    assert said.startswith("ImageNet's ResNet-18 is not available: its server does not")
    assert "we go on without its weights; to have them, connect and call" in said
    assert str(path.parent) in said
    assert said.count("\n") == 1
    with pytest.raises(RuntimeError, match="is not available: its server does not"):
        pretrained.imagenet_resnet18("download")


def test_a_download_is_kept_and_used_again(path, server, weights, monkeypatch, capsys):
    first = pretrained.imagenet_resnet18()
    offline(monkeypatch)
    again = pretrained.imagenet_resnet18()
    for model in (first, again):
        assert torch.equal(model.fc.weight, weights[1]["fc.weight"])
    assert [p.name for p in path.parent.iterdir()] == [server.name]
    assert capsys.readouterr() == ("", "")


def test_another_file_than_the_official_is_not_kept(path, server, capsys):
    server.body = server.body[:-1] + b"?"
    assert pretrained.imagenet_resnet18() is None
    assert "the download failed (invalid hash value" in capsys.readouterr().out
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", "half"])
def test_a_damaged_file_is_named_or_fetched_again(
    path, server, weights, monkeypatch, capsys, content
):
    path = path.with_name(server.name)
    keep(path, weights[0][: len(weights[0]) // 2] if content == "half" else content)
    with monkeypatch.context() as patch:
        offline(patch)
        assert pretrained.imagenet_resnet18() is None
        assert f"{path} is damaged and its server" in capsys.readouterr().out
    assert pretrained.imagenet_resnet18() is not None
    assert f"{path} was damaged; ImageNet's" in capsys.readouterr().out
    assert path.read_bytes() == weights[0]


def test_a_folder_that_cannot_be_made(tmp_path, server, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    assert pretrained.imagenet_resnet18() is None
    said = capsys.readouterr().out
    assert "cannot be written" in said
    assert "TORCH_HOME" in said


def test_embedded_has_none_even_where_the_weights_are(
    path, weights, monkeypatch, capsys
):
    keep(path, weights[0])
    monkeypatch.setenv("COURSE_DATA", "embedded")
    assert pretrained.imagenet_resnet18() is None
    said = capsys.readouterr().out
    assert said.startswith("ImageNet's ResNet-18 is left out: ")
    assert said.count("\n") == 1


def test_an_unknown_source_is_named():
    with pytest.raises(ValueError, match="imagenet_resnet18: source is 'real'"):
        pretrained.imagenet_resnet18("real")

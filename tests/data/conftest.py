"""Stand-ins for files and for MNIST's server, and the real files where present."""

import gzip
import hashlib
import http.server
import importlib
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils.locale import set_language

# `course_utils.data.mnist` is the function, which hides the module of that name.
mnist_module = importlib.import_module("course_utils.data.mnist")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch):
    """English, and none of the variables that the runner may have set."""
    set_language("en")
    for name in ("COURSE_DATA", "COURSE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """PyTorch on one thread: small steps gain nothing from a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def real(name):
    """A folder of the real files that no one of this project wrote."""
    folder = Path(os.environ.get("COURSE_REALDATA", ROOT.parent / "shared/realdata"))
    if not (folder / name).is_dir():
        pytest.skip(f"no {name} in {folder}")
    return folder / name


@pytest.fixture(scope="session")
def real_files():
    """real_files(name) -> that folder of them; skips the test where it is absent."""
    return real


@pytest.fixture(scope="session")
def real_folder():
    """The complete MNIST as torchvision keeps it, gzipped."""
    return real("mnist")


@pytest.fixture(scope="session")
def real_signs():
    """Two files of Sign-Language-MNIST: 4,989 images of 240 photos, 2,183 of 104."""
    return real("sign_mnist")


@pytest.fixture(scope="session")
def real_pneumonia():
    """The file of PneumoniaMNIST, with the official arrays, packed anew."""
    return real("pneumoniamnist") / "pneumoniamnist.npz"


@pytest.fixture(scope="session")
def signs():
    """24 letters, 10 photos of each, 3 variants of each photo: (x, file labels, photo).

    x uint8 (720, 28, 28): smooth random pictures, and noise of one grey level.
    """
    rng = np.random.RandomState(0)
    pictures = rng.rand(240, 8, 8).repeat(4, axis=1).repeat(4, axis=2)[:, 2:-2, 2:-2]
    photo = rng.permutation(np.arange(240).repeat(3))
    noise = rng.randint(-1, 2, (720, 28, 28))
    x = (10 + 230 * pictures[photo] + noise).astype(np.uint8)
    place = photo // 10  # in the alphabet, with a gap where J is
    return x, place + (place >= 9), photo


def csv(x, labels):
    """The bytes of a CSV file in the form of Sign-Language-MNIST."""
    names = ",".join(["label", *(f"pixel{i}" for i in range(1, 785))])
    rows = np.column_stack([labels, x.reshape(len(x), -1)])
    lines = [names, *(",".join(map(str, row)) for row in rows.tolist()), ""]
    return "\n".join(lines).encode()


@pytest.fixture
def sign_files(signs):
    """The bytes of a small train and a small test file, of photos of their own."""
    x, labels, photo = signs
    test = photo % 10 >= 7
    return {
        "sign_mnist_train.csv": csv(x[~test], labels[~test]),
        "sign_mnist_test.csv": csv(x[test], labels[test]),
    }


def idx(array):
    """The bytes of an idx file: magic number, sides, data."""
    header = struct.pack(f">{1 + array.ndim}i", 0x0800 + array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.fixture(scope="session")
def small_files():
    """Four idx files in MNIST's form: 6,000 and 100 flat grey images, labels i % 10."""
    files = {}
    for part, n in (("train", 6000), ("t10k", 100)):
        labels = (np.arange(n) % 10).astype(np.uint8)
        images = np.repeat(20 * labels, 28 * 28).reshape(n, 28, 28)
        files[f"{part}-images-idx3-ubyte"] = idx(images)
        files[f"{part}-labels-idx1-ubyte"] = idx(labels)
    return files


@pytest.fixture
def server(small_files, monkeypatch):
    """A loopback server of the small files, which torchvision takes for MNIST's.

    server[name] is what it sends for a file, server.cut the part of it before it hangs
    up, server.asked the files asked for.
    """
    peer = pytest.importorskip("torchvision.datasets").MNIST

    class Replies(dict):
        cut = 1.0
        asked: tuple = ()

    replies = Replies(
        {f"{name}.gz": gzip.compress(data) for name, data in small_files.items()}
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            body = replies.get(self.path.strip("/"))
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                replies.asked += (self.path.strip("/"),)
                self.wfile.write(body[: int(len(body) * replies.cut)])

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{httpd.server_port}/"
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in replies.items()}
    monkeypatch.setattr(peer, "mirrors", [url])
    monkeypatch.setattr(peer, "resources", list(md5.items()))
    monkeypatch.setattr(mnist_module, "SERVER", url)
    monkeypatch.setattr(
        mnist_module,
        "FILES",
        {
            name: (hashlib.md5(data).hexdigest(), 16 if "images" in name else 8)
            for name, data in small_files.items()
        },
    )
    yield replies
    httpd.shutdown()
    httpd.server_close()

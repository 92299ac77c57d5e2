"""A folder that reads digits in any browser: the page, the network, what runs it.

`build` makes the folder from a trained network; any static host can serve it, since
nothing is computed there. `course_utils.demos.serving` shows it on this machine.
"""

import contextlib
import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from torch import nn

from course_utils import widgets
from course_utils.data.dataset import cache_folder
from course_utils.demos import runtime_files
from course_utils.demos.languages import in_both
from course_utils.demos.mnist_words import page_words
from course_utils.demos.onnx_file import export
from course_utils.demos.places import demos_folder
from course_utils.demos.serving import Site, serve
from course_utils.locale import LANGUAGES, _, language
from course_utils.training import count_parameters

__all__ = ["Page", "Site", "build", "export", "serve"]

PAD = ("drawing_pad.js", "drawing_pad.css")
ABOUT = "digits.json"  # what the page says of the network
# A folder that holds all of these has a page that we built, which may be replaced.
MARKS = ("index.html", "digits.onnx", ABOUT, *PAD)


@dataclass(frozen=True)
class Page:
    """A folder with a page in it, ready to be served.

    size: bytes of all its files. gzipped: the same as a server sends them compressed.
    """

    folder: Path
    size: int
    gzipped: int

    def __str__(self) -> str:
        return _("{folder}: {size:,} bytes, {gzipped:,} gzipped.").format(
            folder=self.folder, size=self.size, gzipped=self.gzipped
        )


def build(
    model: nn.Module,
    folder: str | Path | None = None,
    *,
    mean: float,
    std: float,
    lang: str | None = None,
    source: str | dict[str, str] = "",
    accuracy: float | None = None,
    tested: int | None = None,
) -> Page:
    """Write the page with a network in it.

    model: any network from float images (N, 1, 28, 28), normalised, to logits (N, 10),
        `models.digit_cnn` or one's own; it stays as it was.
    folder: to write; None: mnist_web in the cache folder. It must be new, empty but for
        hidden files, or have an earlier page in it, whose files are replaced once the
        new one is whole. What else lies there (.git, CNAME) stays.
    mean, std: what the network's images are normalised by, (ink / 255 - mean) / std.
    lang: the language that the page opens in, "es" or "en"; None: that in use.
    source: what it was trained on, a sentence, or one of each language, {"es": ...,
        "en": ...}; of a single one that is English the translation is found where it
        is that of a data set of the course. accuracy: 0..1, on so many `tested` digits
        that it never trained on.
    Raises ValueError for a network with other outputs or a folder that is something
    else or cannot be written, RuntimeError where onnxruntime-web cannot be had.
    """
    lang = lang or language()
    if lang not in LANGUAGES:
        raise ValueError(
            _("build: lang is {lang!r}: use one of {known}.").format(
                lang=lang, known=", ".join(f'"{name}"' for name in LANGUAGES)
            )
        )
    target = Path(folder or cache_folder() / "mnist_web").expanduser().absolute()
    _check_replaceable(target)
    sources = source if isinstance(source, dict) else in_both(lambda: _(source))
    try:
        with _beside(target) as page:
            features = export(model, page / "digits.onnx", mean=mean, std=std)
            _copy_sources(page)
            about = {
                "lang": lang,
                "parameters": count_parameters(model),
                "source": sources,
                "accuracy": None if accuracy is None else float(accuracy),
                "tested": tested,
                "mean": float(mean),
                "std": float(std),
                "features": features,
                "created": date.today().isoformat(),
            }
            _write_json(page / ABOUT, about)
            _write_json(page / "words.json", page_words())
            sizes = _weigh(page)
    except OSError as error:
        raise ValueError(
            _("{folder} cannot be written ({error}): name another folder.").format(
                folder=target, error=error.strerror
            )
        ) from error
    return Page(target, *sizes)


def _check_replaceable(folder: Path) -> None:
    ours = all((folder / name).is_file() for name in MARKS)
    # Hidden: what macOS leaves in each folder, and the .git of a site to be.
    empty = folder.is_dir() and all(p.name[0] == "." for p in folder.iterdir())
    if folder.exists() and not ours and not empty:
        raise ValueError(
            _(
                "{folder} is there already and is no page of ours: name a new or an "
                "empty folder."
            ).format(folder=folder)
        )


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A folder to write in, whose files move to `target` if all went well.

    One by one: `target` itself may hold the .git and the domain name of somebody's
    site, or be where a terminal or a server stands.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=target.parent, prefix=f".{target.name}-", ignore_cleanup_errors=True
    ) as staging:
        page = Path(staging)
        yield page
        for path in [p for p in page.rglob("*") if p.is_file()]:
            place = target / path.relative_to(page)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)


def _copy_sources(page: Path) -> None:
    """The page's own files, the pad that notebooks have too, and the runtime."""
    shutil.copytree(
        demos_folder() / "mnist_web",
        page,
        ignore=shutil.ignore_patterns(".*", "*.md"),
        dirs_exist_ok=True,
    )
    for name in PAD:
        shutil.copyfile(Path(widgets.__file__).with_name(name), page / name)
    runtime = page / "ort"
    runtime.mkdir(exist_ok=True)
    kept = runtime_files.fetch()
    for name in runtime_files.FILES:
        shutil.copyfile(kept / name, runtime / name)
    (runtime / "LICENSE.txt").write_text(runtime_files.LICENSE, encoding="utf-8")


def _write_json(path: Path, content: dict) -> None:
    path.write_text(
        json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


def _weigh(folder: Path) -> tuple[int, int]:
    """Bytes of all files, plain and gzipped."""
    contents = [p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()]
    return sum(map(len, contents)), sum(len(gzip.compress(c, 6)) for c in contents)

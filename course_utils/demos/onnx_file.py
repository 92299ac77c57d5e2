"""A trained network as one ONNX file, which runs without PyTorch, and checked."""

import copy
import logging
import math
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils.guards import need
from course_utils.locale import _

OPSET = 18
TOLERANCE = 1e-5  # between PyTorch's probabilities and those of the exported network
BESIDE_A_CONVOLUTION = (nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU)


class Published(nn.Module):
    """The network as a page calls it: ink in, probabilities and first maps out.

    forward(image): float32 (N, 1, 28, 28), ink 0..255, to probabilities (N, 10), rows
    sum to 1, and what the first block makes of the image, (N, C, h, w), which is left
    out where the network has no convolution.
    """

    def __init__(self, model: nn.Module, mean: float, std: float):
        super().__init__()
        self.model, self.mean, self.std = model, mean, std

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        block, maps = first_block(self.model), []
        if block is not None:
            watch = block.register_forward_hook(lambda m, x, out: maps.append(out))
        logits = self.model((image / 255 - self.mean) / self.std)
        if block is not None:
            watch.remove()
        return logits.softmax(1), *[out for out in maps[:1] if out.ndim == 4]


def first_block(model: nn.Module) -> nn.Module | None:
    """The first convolution, with the norm and activation that are one module with it.

    None where the network has no convolution.
    """
    for module in model.modules():  # from the outermost inwards
        leaves = [m for m in module.modules() if not [*m.children()]]
        others = [m for m in leaves if not isinstance(m, nn.Conv2d)]
        if len(leaves) - len(others) == 1 and all(
            isinstance(m, BESIDE_A_CONVOLUTION) for m in others
        ):
            return module
    return None


def export(model: nn.Module, path: Path, *, mean: float, std: float) -> list[int]:
    """Write the network as ONNX, and check that it computes what PyTorch does.

    model: float images (N, 1, 28, 28), normalised, to logits (N, 10); it stays as it
        was. mean, std: what its images are normalised by, (ink / 255 - mean) / std;
        they go into the file, so that who runs it cannot take others.
    The file's input is "image", float32 (1, 1, 28, 28), ink 0..255; its outputs are
    "probabilities" (1, 10) and "features" (1, C, h, w), see `Published`.
    Returns [C, h, w], or [] where there are no features. Raises ValueError for a
    network with other outputs, RuntimeError where the numbers differ or where a
    package is missing.
    """
    mean, std = float(mean), float(std)  # a notebook has them as tensors
    need("export", "mean", mean, math.isfinite(mean), "-inf < mean < inf")
    need("export", "std", std, 0 < std < math.inf, "> 0")
    network = copy.deepcopy(model).cpu().eval()
    _check_logits(network)
    published = Published(network, mean, std).eval()
    with torch.no_grad():
        expected = [published(image) for image in trials()]
    names = ["probabilities", "features"][: len(expected[0])]
    try:
        _write(published, names, path)
        _check_numbers(path, expected)
    except ImportError as error:
        raise RuntimeError(
            _(
                "{package} is missing, which publishing a network needs: run "
                "pip install onnx onnxruntime onnxscript."
            ).format(package=error.name)
        ) from error
    return list(expected[0][1].shape[1:]) if len(names) == 2 else []


def trials() -> list[Tensor]:
    """Sheets to compare networks on, float32 (1, 1, 28, 28), ink 0..255."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(14, 1, 1, 28, 28, generator=generator).mul(255).round()
    # Half of them with ink in few places, as a digit has.
    noise[::2] *= noise[::2] > 200
    return [torch.zeros(1, 1, 28, 28), torch.full((1, 1, 28, 28), 255.0), *noise]


def _check_logits(network: nn.Module) -> None:
    try:
        with torch.no_grad():
            logits = network(torch.cat(trials()[:4]) / 255)
        shape = tuple(logits.shape)
    except (RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            _("export: the network cannot take images (N, 1, 28, 28): {error}").format(
                error=str(error).strip().partition("\n")[0]
            )
        ) from error
    if shape != (4, 10):
        raise ValueError(
            _(
                "export: for 4 images the network must give logits of shape (4, 10), "
                "it gave {shape}."
            ).format(shape=shape)
        )
    if not logits.isfinite().all():
        raise ValueError(
            _(
                "export: the network gives values that are not finite: its weights are "
                "spoilt, train it anew."
            )
        )
    if (logits >= 0).all() and (logits.sum(1) - 1).abs().max() < 1e-4:
        raise ValueError(
            _(
                "export: the network gives probabilities, which would go through a "
                "second softmax: leave out its last one."
            )
        )


def _write(published: Published, names: list[str], path: Path) -> None:
    """One file, without what the exporter adds: files beside it, this disk's paths."""
    import onnx  # late: only publishing needs it

    noise = logging.getLogger("torch.onnx")
    before, noise.disabled = noise.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about its own future
            torch.onnx.export(
                published,
                (torch.zeros(1, 1, 28, 28),),
                str(path),
                input_names=["image"],
                output_names=names,
                opset_version=OPSET,
                verbose=False,
            )
    finally:
        noise.disabled = before
    written = onnx.load(path)  # with the weights that newer versions write beside
    for part in (
        written,
        written.graph,
        *written.graph.node,
        *written.graph.value_info,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.checker.check_model(written)
    path.with_name(path.name + ".data").unlink(missing_ok=True)
    onnx.save_model(written, path, save_as_external_data=False)


def _check_numbers(path: Path, expected: list[tuple[Tensor, ...]]) -> None:
    import onnxruntime  # late: only publishing needs it

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for image, wanted in zip(trials(), expected, strict=True):
        found = session.run(None, {"image": image.numpy()})
        for theirs, ours in zip(found, wanted, strict=True):
            # Maps are no probabilities: differences count in parts of the largest.
            scale = max(1.0, ours.abs().max().item())
            difference = (torch.from_numpy(theirs) - ours).abs().max().item() / scale
            if not difference <= TOLERANCE:
                raise RuntimeError(
                    _(
                        "The exported network differs from PyTorch's by "
                        "{difference:.0e}, more than {tolerance:.0e}: nothing was "
                        "published."
                    ).format(difference=difference, tolerance=TOLERANCE)
                )

"""The course's interactives, one module each; importing this package loads none."""

import sys
from importlib import import_module
from types import ModuleType

_HOMES = {
    "activation_explorer": "activations",
    "approximation_playground": "playground",
    "augmentation_explorer": "augmentation",
    "backpropagation": "backpropagation",
    "brain_viewer": "brain_viewer",
    "class_maps": "class_maps",
    "convolution_explorer": "convolution",
    "dice_explorer": "dice_explorer",
    "drawing_pad": "drawing_pad",
    "film": "film",
    "loss_explorer": "losses",
    "photo_input": "photo_input",
}
__all__ = [
    "activation_explorer",
    "approximation_playground",
    "augmentation_explorer",
    "backpropagation",
    "brain_viewer",
    "class_maps",
    "convolution_explorer",
    "dice_explorer",
    "drawing_pad",
    "film",
    "loss_explorer",
    "photo_input",
]


class _Package(ModuleType):
    """Python binds an imported submodule to its package, here over the function of the
    same name (drawing_pad): `widgets.drawing_pad` is to stay the function."""

    def __setattr__(self, name: str, value) -> None:
        super().__setattr__(name, getattr(value, name) if name in _HOMES else value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

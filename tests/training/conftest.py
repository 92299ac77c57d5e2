"""Small problems that a small network learns in a fraction of a second."""

import pytest
import torch
from torch import nn


def blobs(n, seed=0, side=8):
    """Three classes of noisy images: bright above, in the middle or below."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    x = torch.randn(n, 1, side, side, generator=generator)
    for row in range(3):
        x[y == row, :, row * 2 + 1 : row * 2 + 3] += 1.5
    return x, y


@pytest.fixture
def train():
    return blobs(330)


@pytest.fixture
def valid():
    return blobs(90, seed=1)


@pytest.fixture
def network():
    """A function that makes the same small network, dropout included, at every call."""

    def make(seed=0, outputs=3):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(8 * 4 * 4, outputs),
        )

    return make


@pytest.fixture
def same():
    """Whether two state_dicts are equal, bit for bit."""

    def compare(a, b):
        return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)

    return compare

"""Random numbers of many things at once, each with a stream of its own."""

from collections.abc import Iterable

import numpy as np


class Dice:
    """One random stream per key: what a thing draws does not depend on the others.

    keys: one tuple of ints >= 0 per thing, the seed of its stream. Equal keys draw
        equal numbers. RandomState, since NumPy promises never to change its stream.
    vary: scales every departure from the plain value; 0 draws only plain values.
    """

    def __init__(self, keys: Iterable[tuple[int, ...]], vary: float = 1.0):
        self.vary = vary
        streams = {}
        keys = list(keys)
        for key in keys:
            streams.setdefault(key, len(streams))
        self._streams = [np.random.RandomState(key) for key in streams]
        self._rows = np.array([streams[key] for key in keys], dtype=int)

    def __len__(self) -> int:
        return len(self._rows)

    def normal(self, *shape: int) -> np.ndarray:
        """Normal with mean 0 and standard deviation `vary`: float64 (N, *shape)."""
        return self.vary * self._draw(lambda stream: stream.standard_normal(shape))

    def uniform(self, low, high, plain, *shape: int) -> np.ndarray:
        """Uniform in [low, high) for vary = 1, `plain` for 0: float64 (N, *shape)."""
        drawn = self._draw(lambda stream: stream.uniform(low, high, shape))
        return plain + self.vary * (drawn - plain)

    def chance(self, p: float) -> np.ndarray:
        """True with probability p * vary: bool (N,)."""
        return self._draw(lambda stream: stream.rand()) < p * self.vary

    def _draw(self, ask) -> np.ndarray:
        drawn = [ask(stream) for stream in self._streams]
        # Without things the shape is asked of a stream that nobody uses.
        none = np.asarray(ask(np.random.RandomState(0)))[None][:0]
        return np.stack(drawn)[self._rows] if drawn else none

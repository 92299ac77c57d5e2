"""Each test of a widget begins in English, and leaves the language as it was."""

import pytest


@pytest.fixture(autouse=True)
def in_english(english):
    pass


@pytest.fixture
def older_player(monkeypatch):
    """Colab's ipywidgets 7, where the player has no trait "playing"."""
    import ipywidgets
    import traitlets

    class Play(ipywidgets.IntSlider):
        _playing = traitlets.Bool(False)
        interval = traitlets.Int(100)

    monkeypatch.setattr(ipywidgets, "Play", Play)

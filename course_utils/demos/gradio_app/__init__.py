"""One Gradio app of three networks: digits, signs, tumours.

`build_app` makes it; in a notebook `build_app("es").launch(inline=True)`, by command
`python -m course_utils.demos gradio`, and demos/gradio is what a Space runs.
"""

import os
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version

from torch import nn

from course_utils.demos import networks as shipped
from course_utils.demos.gradio_app import words
from course_utils.demos.gradio_app.sketch import HERE, read_text
from course_utils.demos.gradio_app.upload import MEGABYTES
from course_utils.guards import need
from course_utils.locale import _, set_language

OLDEST = (6, 7)  # of Gradio: since then a component of ours can ask Python
# Seconds: how often files are looked for that nobody needs any more, and their age;
# together not more than the hour that is promised.
CLEAN = 600, 3000
VISITORS = 40  # whose patients are kept in memory at the same time
FONTS = "system-ui", "sans-serif"  # of the visitor's machine: none is fetched


def build_app(lang: str = "es", networks: Mapping[str, nn.Module] | None = None):
    """The app, ready to `launch()`; a page on this machine unless you say otherwise.

    lang: "es" or "en". It becomes the language of course_utils in this program.
    networks: "digits", "signs" or "tumour" -> a network of yours of the same kind, on
        the CPU, see `networks.load`; for those not named, the one that comes with the
        course.
    Returns a gradio.Blocks. Its launch() needs no network: fonts and scripts are local,
    nothing is reported to anybody, files over 100 MB are refused, and what visitors
    upload is deleted once it is read, an hour later at the latest; what was read stays
    in memory for up to half an hour. Arguments of launch() change what they name.
    Raises ValueError for another language or name, or for weights that cannot be read,
    RuntimeError for a Gradio older than 6.7.
    """
    set_language(lang)
    own = dict(networks or {})
    for name in own:
        known = name in shipped.NETWORKS
        need("build_app", "networks", name, known, " | ".join(shipped.NETWORKS))
    _check_gradio()
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read by Blocks and others
    import gradio as gr

    from course_utils.demos.gradio_app import digits, signs, tumour

    model = {n: own[n] if n in own else shipped.load(n) for n in shipped.NETWORKS}
    for network in model.values():
        network.eval()
    fill = {
        "digits": lambda tab: digits.add_tab(model["digits"], **_ink(own)),
        "signs": lambda tab: signs.add_tab(model["signs"]),
        "tumour": lambda tab: tumour.add_tab(model["tumour"], tab, app),
    }
    title = _("Three networks, to try out")
    with gr.Blocks(title=title, delete_cache=CLEAN) as app:
        gr.Markdown(f"# {title}")
        gr.HTML(words.warning(), apply_default_css=False)
        for name, said in words.tabs().items():
            with gr.Tab(said, id=name) as tab:
                gr.HTML(words.about(name, name in own), apply_default_css=False)
                fill[name](tab)
    app.launch = partial(app.launch, **_settings(lang))
    return app


def launch(lang: str = "es", *, port: int = 0, browser: bool = True) -> None:
    """Build the app and serve it on this machine until Ctrl+C.

    port: 0 takes the first free one from 7860 on. browser: open the page, too.
    Raises what build_app raises, and OSError where the port is taken.
    """
    app = build_app(lang)
    # Quiet: what Gradio prints is English, and offers to make the page public.
    _server, address, _share = app.launch(
        server_port=port or None,
        inbrowser=browser,
        prevent_thread_lock=True,
        quiet=True,
    )
    print(_("The page is at {address}").format(address=address))
    print(_("Press Ctrl+C to stop."), flush=True)
    app.block_thread()


def _ink(own: Mapping[str, nn.Module]) -> dict[str, float]:
    """What the images of digits are normalised by."""
    card = {} if "digits" in own else shipped.card("digits")
    return {name: card.get(name, value) for name, value in shipped.MNIST.items()}


def _settings(lang: str) -> dict:
    """What launch() is to do where its caller does not say."""
    import gradio as gr

    theme = gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=FONTS)
    # Gradio's own are too pale to be read by everybody (contrast under 4.5 to 1).
    theme.set(color_accent="*primary_700", body_text_color_subdued="*neutral_600")
    return {
        "theme": theme,
        "css": read_text(HERE, "page.css"),
        "js": read_text(HERE, "language.js").replace("LANG", lang),
        # Twice what is read: until there the sentence is ours, beyond it Gradio's.
        "max_file_size": 2 * MEGABYTES * 2**20,
        "state_session_capacity": VISITORS,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "height": 900,  # pixels, in a notebook
    }


def _check_gradio() -> None:
    """Raise RuntimeError for a Gradio that the app does not work with."""
    found = version("gradio")
    if tuple(map(int, found.split(".")[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise RuntimeError(
            _(
                "This app needs Gradio {oldest} or newer, and {found} is installed: "
                'run pip install "gradio>={oldest},<7" and start Python again.'
            ).format(oldest=oldest, found=found)
        )

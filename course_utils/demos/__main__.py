"""`python -m course_utils.demos`: publish a network, or train a shipped one."""

import argparse
import sys
import time
import webbrowser
from pathlib import Path

from torch import nn

from course_utils.data.dataset import cache_folder
from course_utils.demos import cards, mnist_web, networks, recipes, runtime_files
from course_utils.demos.languages import in_both
from course_utils.locale import LANGUAGES, _, set_language


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0, or 1 after a sentence that says what was wrong."""
    options = _parser().parse_args(arguments)
    set_language(options.lang)
    try:
        options.run(options)
    except (ValueError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()  # the terminal has written ^C
    return 0


# --- commands: the first line of each is its help -------------------------------------


def mnist(options: argparse.Namespace) -> None:
    """Build the page that reads digits in a browser, and show it."""
    model, about = _digits(options.weights)
    page = mnist_web.build(model, options.out, lang=options.lang, **about)
    print(page)
    if options.out:
        print(_("Upload this folder to any static host."))
        return
    site = mnist_web.serve(page.folder, options.port)
    print(_("Press Ctrl+C to stop."), flush=True)
    if not options.no_browser:
        webbrowser.open(site.address)
    try:
        while True:
            time.sleep(1)
    finally:
        site.stop()


def train(options: argparse.Namespace) -> None:
    """Train one of the shipped networks, as its model card says, and test it."""
    weights = recipes.train(options.name, options.out)
    print(weights)
    print(cards.scores(networks.card(options.name, weights)))


def fetch(options: argparse.Namespace) -> None:
    """Fetch the three files of onnxruntime-web, once, for later without a network."""
    print(runtime_files.fetch())


def gradio(options: argparse.Namespace) -> None:
    """Show the app of three networks: digits, signs and tumours."""
    from course_utils.demos import gradio_app  # late: Gradio takes seconds to import

    gradio_app.launch(options.lang, port=options.port, browser=not options.no_browser)


def space(options: argparse.Namespace) -> None:
    """Fill a folder with the app, ready to push as a Hugging Face Space."""
    from course_utils.demos import space  # late: only here

    print(space.fill(options.out, options.lang))


def _digits(weights: Path | None) -> tuple[nn.Module, dict]:
    """The network that reads digits, and what `mnist_web.build` is to say of it."""
    path = weights or networks.shipped("digits")
    if weights is None and not path.is_file():
        path = cache_folder() / "demos" / path.name
        if not path.is_file():
            print(_("Training a network that reads digits: a minute..."), flush=True)
            recipes.train("digits", path.parent)
    model, card = networks.load("digits", path), networks.card("digits", path)
    if not card:
        source = in_both(lambda: _("unknown: weights of your own"))
        return model, {**networks.MNIST, "source": source}
    return model, {
        "mean": card["mean"],
        "std": card["std"],
        "source": card["source"],
        "accuracy": card["scores"]["accuracy"][0],
        "tested": card["tested"],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.demos", description=__doc__.partition(": ")[2]
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run) -> argparse.ArgumentParser:
        said = run.__doc__.partition("\n")[0]
        added = commands.add_parser(run.__name__, help=said, description=said)
        added.set_defaults(run=run)
        added.add_argument(
            "--lang",
            choices=sorted(LANGUAGES),
            default="es",
            help="language of the page and of what is printed (default: es)",
        )
        return added

    def shown(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=0, help="default: a free one")
        parser.add_argument(
            "--no-browser", action="store_true", help="only print the address"
        )

    page = command(mnist)
    page.add_argument(
        "--weights", type=Path, help="your own: a state_dict of digit_cnn, any width"
    )
    page.add_argument(
        "--out", type=Path, help="write the folder to upload there, and do not serve it"
    )
    shown(page)
    shown(command(gradio))
    command(space).add_argument(
        "--out", type=Path, required=True, help="folder to fill"
    )
    taught = command(train)
    taught.add_argument("name", choices=list(networks.NETWORKS))
    taught.add_argument("--out", type=Path, help="folder (default: demos/weights)")
    command(fetch)
    return parser


if __name__ == "__main__":
    sys.exit(main())

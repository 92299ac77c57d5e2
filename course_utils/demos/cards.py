"""A model card in words: what a network is for, how well it does, what it cannot do."""

from course_utils.demos.languages import in_both
from course_utils.locale import _, language


def in_words(card: dict) -> dict[str, str]:
    """Markdown of a card that `recipes.train` wrote: name of the file -> its text."""
    said = in_both(lambda: as_markdown(card))
    return {f"{card['name']}.md": said["en"], f"{card['name']}.es.md": said["es"]}


def as_markdown(card: dict) -> str:
    """Markdown of a card, in the language in use."""
    rows = {
        _("Data"): f"{card['source'][language()]} `{card['data']}`",
        _("SHA-256 of the data"): f"`{card['data_sha256']}`",
        _("Measured"): scores(card),
        _("Parameters"): f"{card['parameters']:,}",
        _("Made by"): _(
            "`{command}`, seed {seed}, {seconds} CPU seconds, PyTorch {torch}, {date}"
        ).format(seconds=card["cpu_seconds"], **card),
        _("File"): _("{name}.pt, a state_dict, {kb} kB, SHA-256 `{sha256}`").format(
            kb=round(card["bytes"] / 1000), **card
        ),
    }
    table = "\n".join(f"| {name} | {said} |" for name, said in rows.items())
    use, limits = _texts()[card["name"]]
    parts = (
        f"# {_titles()[card['name']]}",
        use,
        f"| | |\n|:--|:--|\n{table}",
        "## " + _("Limits"),
        f"{limits} {_not_medical()}\n",
    )
    return "\n\n".join(parts)


def scores(card: dict) -> str:
    """What the test gave, with its interval; "synthetic" where the data were."""
    # Whole sentences, since in Spanish the adjective follows its noun's gender.
    tested = {
        (True, "images"): _("{n:,} real test images"),
        (False, "images"): _("{n:,} synthetic test images"),
        (False, "patients"): _("{n:,} synthetic test patients"),
    }[card["real"], card["unit"]].format(n=card["tested"])
    measured = ", ".join(
        _("{score} {value} ({low} to {high})").format(
            score=_("accuracy") if score == "accuracy" else score,
            **{
                key: f"{number:.1%}" if score == "accuracy" else f"{number:.2f}"
                for key, number in zip(("value", "low", "high"), found, strict=True)
            },
        )
        for score, found in card["scores"].items()
    )
    return _("{measured}: {tested}, intervals of 95%").format(
        measured=measured, tested=tested
    )


def _titles() -> dict[str, str]:
    return {
        "digits": _("Model card: handwritten digits"),
        "signs": _("Model card: letters of sign language"),
        "tumour": _("Model card: brain tumours"),
    }


def _texts() -> dict[str, tuple[str, str]]:
    """(intended use, limits) of each network."""
    return {
        "digits": (
            _(
                "Reads one handwritten digit, 28 by 28 pixels, prepared as MNIST's "
                "were. Meant for workshop 02 and its page: to see a network at work."
            ),
            _(
                "It knows the digits 0 to 9 and nothing else: a letter or a scribble "
                "gets a digit, too, and often a high probability. The writers of MNIST "
                "were census employees and high-school students of the United States; "
                "other ways to write 1, 4, 7 or 9 are rare in it. The interval "
                "counts the chance of the draw of the test images, not other writers."
            ),
        ),
        "signs": (
            _(
                "Names the letter that a hand shows, 24 static letters of the "
                "American alphabet, from 28 by 28 grey pixels. Meant for workshop 03 "
                "and its app: to publish a model and look at what it looks at."
            ),
            _(
                "It has never seen a photo: it was trained and tested on rendered, "
                "synthetic hands. On photos from a camera expect far less than the "
                "figure above, by skin, light, background and sleeve. J and Z, which "
                "are drawn in the air, are not among its letters. It does not "
                "understand any sign language, and must not stand in for an "
                "interpreter. The interval redraws the synthetic images of a few "
                "computed people; it does not count others."
            ),
        ),
        "tumour": (
            _(
                "Marks the whole tumour (WT), its core (TC) and its enhancing part "
                "(ET) in axial slices of FLAIR, T1, T1ce and T2, 2 mm a voxel, each "
                "z-scored inside the brain. Meant for workshop 04 and its app: to see "
                "what a segmentation is."
            ),
            _(
                "It has never seen a patient: it was trained and tested on synthetic "
                "tumours in one template brain. On real patients it was not measured; "
                "how far others that saw only synthetic ones fall there stands in "
                "workshop 04, section 10. Six test patients leave a wide interval, and "
                "one of them has no ET: leaving it empty counts 1."
            ),
        ),
    }


def _not_medical() -> str:
    return _(
        "A demonstration for teaching; it is not a medical device, and no decision "
        "about a person may rest on it."
    )

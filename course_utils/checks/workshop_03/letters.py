"""Exercise: the letter of a file's label."""

from collections.abc import Callable

from course_utils.checks import exercise
from course_utils.checks.answers import NotYet, Slip, Stopped, call, expect_callable
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _

LETTERS = dict(
    zip([*range(9), *range(10, 25)], "ABCDEFGHIKLMNOPQRSTUVWXY", strict=True)
)


@exercise(
    "03.letter",
    hints=lambda: [
        _(
            "Write down the first twelve letters of the alphabet, with J, and number "
            "them from 0: which number has K?"
        ),
        _(
            "J and Z never appear in the file, but J keeps its number, 9: the label is "
            "the position in the whole alphabet."
        ),
        _("In Python `text[3]` is the fourth letter of a text: of which text, here?"),
    ],
)
def letter(answer):
    expect_callable(answer)
    got = {label: _outcome(answer, label) for label in LETTERS}
    wrong = [label for label, wanted in LETTERS.items() if got[label] != wanted]
    if wrong:
        raise _complaint(got, wrong[0])
    return _(
        "Try it with 9: what does your function say of a label that is never used?"
    )


def _outcome(answer: Callable, label: int) -> str | Stopped:
    try:
        found = call(answer, label, case=f"label={label}")
    except Stopped as stopped:
        return stopped
    except Slip:  # it returns nothing
        if label == 0:
            raise
        reason = _(
            "for label={label} it returns nothing: the `return` of that branch is "
            "missing."
        )
        raise Slip(reason.format(label=label)) from None
    if isinstance(found, str):
        return found
    reason = _("for label={label} I expected a letter, and got {value} of type {kind}.")
    told = reason.format(label=label, value=_short(found), kind=type(found).__name__)
    if isinstance(found, int) and not isinstance(found, bool):
        also = _("That is a number: which letter stands there?")
        told = f"{told} {also}"
    raise Slip(told)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 and " at 0x" not in text else "..."


def _complaint(got: dict[int, str | Stopped], label: int) -> NotYet:
    """What to say of the first label that is read wrongly."""
    found = got[label]
    if isinstance(found, Stopped):
        return _named_stop(found) or plain_stop(found) or found
    reason = _("for label={label} I expected {wanted!r} and got {found!r}.")
    found = found if len(found) <= 20 else f"{found[:17]}..."
    told = reason.format(label=label, wanted=LETTERS[label], found=found)
    if all(_said(got[n]) == wanted.lower() for n, wanted in LETTERS.items()):
        reason = _("The letters are right: write them as capitals.")
        return Slip(f"{told} {reason}")
    return NotYet(f"{told} {_named(got, label)}".rstrip())


def _named(got: dict[int, str | Stopped], first: int) -> str:
    """A sentence for wrong letters, or an empty one."""

    def like(version: Callable[[int], str], start: int = 0) -> bool:
        labels = [label for label in LETTERS if label >= start]
        return all(_at(version, label) == _said(got[label]) for label in labels)

    if any(_said(found) in ("Ñ", "ñ") for found in got.values()):
        return _("The alphabet of ASL is the English one: it has no Ñ.")
    if len(got[first]) != 1:
        return _("One letter is meant: a position between brackets gives one.")
    used = "".join(LETTERS.values())
    mistakes = [
        (
            lambda label: used[label],
            _("You count in an alphabet without J, and the file's labels keep a place "
              "for it."),
        ),
        (
            lambda label: chr(65 + label + (label > 8)),
            _("From K on you skip one letter too many: the label already counts "
              "J."),
        ),
        (
            lambda label: chr(65 + label - (label > 8)),
            _("From K on you take J away, and the label still counts it."),
        ),
        (
            lambda label: chr(65 + label + 1),
            _("You are one letter ahead everywhere: the first label is 0."),
        ),
        (
            lambda label: chr(65 + label - 1),
            _("You are one letter behind everywhere: the first label is 0."),
        ),
        (
            lambda label: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[label - 1],
            _("You are one letter behind everywhere: the first label is 0."),
        ),
        (
            chr,
            _("`chr` counts all the signs that a computer can write, and A is number "
              "65 among them."),
        ),
        (str, _("That is the label itself, as a text: which letter stands there?")),
        (
            lambda label: got[0],
            _("You always give the same letter: use `label`."),
        ),
        (
            lambda label: chr(90 - label),
            _("You count from the end of the alphabet."),
        ),
    ]  # fmt: skip
    for version, text in mistakes:
        if like(version):
            return text
    gap = _("Up to there all are right: is there a letter too few in your alphabet?")
    extra = _("Up to there all are right: is there a letter twice in your alphabet?")
    if first > 0 and like(lambda label: chr(65 + label + 1), first):
        return gap
    if first > 0 and like(lambda label: chr(65 + label - 1), first):
        return extra
    return ""


def _at(version: Callable[[int], str], label: int) -> str | None:
    try:
        return version(label)
    except IndexError:
        return None


def _said(found: str | Stopped) -> str | None:
    """The letter, or None where the answer went past the end of its alphabet."""
    return found if isinstance(found, str) else None


def _named_stop(stopped: Stopped) -> Slip | None:
    """What to say of an error in letter."""
    text = str(stopped.error)
    if "object is not callable" in text:
        reason = _("Square brackets take a letter out of a text: round ones call.")
    elif "must be str, not int" in text:
        reason = _(
            "`index` goes from the letter to its position: here it is the way back."
        )
    elif isinstance(stopped.error, KeyError):
        reason = _("Your dictionary has no entry for that label.")
    elif isinstance(stopped.error, IndexError):
        reason = _("Your alphabet ends before that position: is it the whole one?")
    elif "concatenate str" in text or "unsupported operand" in text:
        reason = _(
            "Texts and numbers do not add up: `ord` turns a letter into its code, and "
            "`chr` a code into its letter."
        )
    else:
        return None
    told = _("for {case} your code stops.").format(case=stopped.case)
    return Slip(f"{told} {reason}")

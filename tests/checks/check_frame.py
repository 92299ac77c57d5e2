"""The tests that every workshop's checks pass; a test file brings answers and mistakes.

A test file makes a class of its own of one of these, with its answers as attributes.
"""

import itertools
import re

import torch
from torch import nn

from cells import Stubs
from course_utils import checks
from course_utils.checks import Status, check, judge
from course_utils.locale import set_language
from course_utils.models import UNet

Answers = dict[str, list]  # of an exercise
Told = dict[str, Answers]  # of an exercise: part of a sentence, and who gets it

ODD = [None, 7, "x", [], torch.zeros(3), lambda *a: None, lambda *a: ([1], {}), print]
ODD += [lambda *a: a, lambda *a: a[0] + 1j, lambda *a: exit(), lambda: 1, nn.ReLU()]
ODD += [lambda *a: torch.ones(1).expand(10**6, 10**6), lambda *a: 10**6000, nn.ReLU]
ODD += [nn.Linear, dict, UNet]


def listed(told: Told) -> list[tuple]:
    """(exercise, part of its sentence, answer), one after another."""
    return [
        (name, part, answer)
        for name, sentences in told.items()
        for part, answers in sentences.items()
        for answer in answers
    ]


class RightAnswers:
    """right: answers as learners write them, of each exercise."""

    right: Answers

    def cases(self) -> dict[str, list]:
        """What a test asks for as arguments, and the cases it gets for them."""
        right = [(name, a) for name, answers in self.right.items() for a in answers]
        return {"name, right": right}

    def pytest_generate_tests(self, metafunc):
        for arguments, cases in self.cases().items():
            if arguments.split(", ")[-1] in metafunc.fixturenames:
                metafunc.parametrize(arguments, cases)

    def test_a_right_answer_is_correct_and_gets_something_to_try(
        self, name, right, recwarn
    ):
        for lang, opening in [("en", "Correct. Try it"), ("es", "Correcto. Pru")]:
            set_language(lang)
            verdict = judge(name, right)
            assert verdict.status is Status.CORRECT, verdict
            assert verdict.message.startswith(opening)
        assert not recwarn.list


class CheckFrame(RightAnswers):
    """stubs: as they stand in the notebook.

    mistakes: of each exercise, part of a sentence and the answers that get it. slips:
    the same for failures that say nothing of the idea; no hint for them.
    solutions: of each exercise, what no sentence and no hint may show.
    ideas: parts of those sentences under `slips` that are about the idea after all.
    general: exercises whose first mistake is offered all three hints.
    by_parts: exercises that judge each blank by itself.
    without_stub: exercises that odd answers are given to as well.
    """

    stubs: Stubs
    mistakes: Told
    slips: Told
    solutions: dict[str, list[str]]
    ideas: tuple[str, ...] = ()
    general: tuple[str, ...] = ()
    by_parts: tuple[str, ...] = ()
    without_stub: tuple[str, ...] = ()

    def cases(self):
        several = [name for name in self.stubs if len(self.stubs.right(name)) > 1]
        return super().cases() | {
            "name, part, wrong": listed(self.mistakes) + listed(self.slips),
            "name, slip": [(name, a) for name, _part, a in listed(self.slips)],
            "exercise": list(self.mistakes),
            "stub": list(self.stubs),
            "of_several": [name for name in several if name not in self.by_parts],
            "odd": ODD,
        }

    def parts(self, name: str) -> dict[str, list]:
        """All sentences of an exercise, by part of them, and who gets them."""
        return self.mistakes[name] | self.slips[name]

    def test_a_mistake_is_told_by_its_own_sentence_and_by_no_other(
        self, name, part, wrong
    ):
        verdict = judge(name, wrong)
        assert verdict.status is Status.NOT_YET
        assert part in verdict.message, verdict.message
        others = [p for p in self.parts(name) if p != part and p in verdict.message]
        assert not others, verdict.message
        assert "Error" not in verdict.message
        assert len(verdict.message) < 450
        told = re.sub(r"stops at `.*?`", "", verdict.message)  # the learner's own line
        assert not [shown for shown in self.solutions[name] if shown in told], told

    def test_the_sentences_are_translated(self, exercise):
        english = checks._exercises[exercise].hints()
        set_language("es")
        for part, answers in self.parts(exercise).items():
            message = judge(exercise, answers[0]).message
            assert message.startswith(("Todavía no: ", "Casi: "))
            assert part not in message, message
        assert not set(english) & set(checks._exercises[exercise].hints())

    def test_no_hint_shows_the_solution(self):
        for name, solution in self.solutions.items():
            for hint in checks._exercises[name].hints():
                assert not [part for part in solution if part in hint], hint

    def test_an_untouched_stub_is_not_attempted(self, stub):
        blanks = len(self.stubs.right(stub))
        untouched = self.stubs.filled(stub, *["..."] * blanks)
        assert judge(stub, untouched).status is Status.NOT_ATTEMPTED
        assert judge(stub, ...).status is Status.NOT_ATTEMPTED
        assert checks._exercises[stub].blanks == blanks

    def test_a_stub_filled_in_part_asks_for_the_rest(self, of_several, shown):
        right = self.stubs.right(of_several)
        for done in itertools.product([True, False], repeat=len(right)):
            if len(set(done)) == 1:
                continue
            lines = [a if kept else "..." for a, kept in zip(right, done, strict=True)]
            check(of_several, self.stubs.filled(of_several, *lines))
            told = "Not yet: there is still a `...` to fill in."
            assert str(shown[-1]) == told, lines
            assert shown[-1].slip

    def test_a_slip_uses_up_no_hint(self, name, slip, shown):
        check(name, slip)
        (verdict,) = shown
        assert verdict.status is Status.NOT_YET
        assert bool(verdict.hint) == any(idea in verdict.message for idea in self.ideas)

    def test_an_idea_gets_three_hints(self, shown):
        for name in self.general:
            for _again in range(3):
                check(name, next(iter(self.mistakes[name].values()))[0])
            offered = [verdict.hint[:11] for verdict in shown[-3:]]
            assert offered == [f"Hint {n} of 3" for n in (1, 2, 3)]

    def test_check_never_raises_and_leaves_chance_alone(self, odd, shown, capsys):
        before = torch.random.get_rng_state()
        names = [*self.stubs, *self.without_stub]
        for name in names:
            check(name, odd)
            check(name, odd, odd)
        assert len(shown) == 2 * len(names)
        assert {verdict.status for verdict in shown} == {Status.NOT_YET}
        assert all(len(str(verdict)) < 1_000 for verdict in shown)
        assert torch.equal(torch.random.get_rng_state(), before)

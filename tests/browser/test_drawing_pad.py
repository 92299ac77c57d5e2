"""The drawing pad in headless Chromium, with a stand-in for the network and the kernel.

The page imports drawing_pad.js as anywidget does, and gives it a model whose answers
the page makes up: the digit it "reads" is the number of ink pixels modulo ten, so that
every change of the drawing shows. What went to Python is recorded in `window.sent`.
"""

import io
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import course_utils.locale as locale
from course_utils.widgets.drawing_pad import SENT, _labels

FOLDER = Path(__file__).parents[2] / "course_utils" / "widgets"

PAGE = """<!doctype html><html><head><meta charset="utf-8">
<link rel="stylesheet" href="drawing_pad.css"></head>
<body style="margin:20px"><div id="pad"></div><script type="module">
import widget from "./drawing_pad.js";
const setup = SETUP;
const blank = {request: 0, seen: new Uint8Array(784), probabilities: [], error: ""};
const state = {labels: setup.labels, samples: new Uint8Array(setup.samples),
  drawing: new Uint8Array(setup.drawing), center: true, request: 0, answer: blank};
const handlers = {};
window.sent = [];  // what Python would have got
window.delay = 5;  // ms that the network takes
window.error = "";
window.state = state;
const model = {
  get: (name) => state[name],
  set(name, value) { state[name] = value; handlers["change:" + name]?.(); },
  on: (name, handler) => { handlers[name] = handler; },
  off: (name) => { delete handlers[name]; },
  save_changes() {
    const ink = [...new Uint8Array(state.drawing.buffer)];
    const [request, center] = [state.request, state.center];
    window.sent.push({ink, center, time: performance.now()});
    const count = ink.filter((v) => v > 127).length;
    const probabilities = Array(10).fill(0.01);
    probabilities[count % 10] = 0.91;
    const seen = Uint8Array.from({length: 784}, (_, i) =>
      ink[(5 * Math.floor(i / 28) + 2) * 140 + 5 * (i % 28) + 2]);
    const answer = window.error
      ? {request, seen, probabilities: [], error: window.error}
      : {request, seen, probabilities: count ? probabilities : [], error: ""};
    setTimeout(() => model.set("answer", answer), window.delay);
  },
};
window.model = model;
window.done = widget.render({model, el: document.getElementById("pad")});
</script></body></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    """Base address of the widgets' folder on loopback (modules need HTTP)."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Quiet, directory=str(FOLDER))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class Pad:
    """A page with a pad in it, and the gestures of somebody who draws."""

    def __init__(self, page):
        self.page = page
        self.paper = page.get_by_role("application")
        self.status = page.locator(".pad-status")
        self.alert = page.get_by_role("alert")

    def stroke(self, *points):
        """Draw through the points, in units of the paper (0 to 280)."""
        box = self.paper.bounding_box()
        places = [
            (box["x"] + x * box["width"] / 280, box["y"] + y * box["height"] / 280)
            for x, y in points
        ]
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place, steps=5)
        mouse.up()

    def click(self, key):
        self.page.locator(f'[data-action="{key}"]').click()

    def settle(self):
        """Wait for the last answer, the one after which nothing more was sent."""
        before = -1
        while before != (before := self.page.evaluate("sent.length")):
            self.page.wait_for_timeout(250)

    def ink(self):
        """What Python got last, (140, 140), 255 = ink."""
        self.settle()
        ink = self.page.evaluate("sent.at(-1).ink")
        return np.array(ink, dtype=np.uint8).reshape(SENT, SENT)

    def upload(self, name, data, kind="image/png"):
        file = {"name": name, "mimeType": kind, "buffer": data}
        self.page.locator("input[type=file]").set_input_files(file)


@pytest.fixture
def open_pad(browser, address):
    """open_pad(samples, drawing, lang) -> Pad; errors of the script fail the test."""
    contexts, faults = [], []

    def open_pad(samples=b"", drawing=b"", lang="en"):
        locale.set_language(lang)
        setup = {
            "labels": _labels(),
            "samples": list(samples),
            "drawing": list(drawing),
        }
        context = browser.new_context(viewport={"width": 900, "height": 640})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.route("**/pad.html", lambda route: route.fulfill(body=html))
        html = PAGE.replace("SETUP", json.dumps(setup))
        page.goto(address + "pad.html")
        page.get_by_role("application").wait_for()
        return Pad(page)

    yield open_pad
    locale.set_language("en")
    for context in contexts:
        context.close()
    assert faults == []


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _digit(size=28):
    """A sample with ink in known places: a bar, and one grey pixel."""
    digit = np.zeros((size, size), dtype=np.uint8)
    digit[4:24, 12:16] = 255
    digit[10, 20] = 128
    return digit


def test_a_stroke_arrives_as_ink_where_it_was_drawn(open_pad):
    pad = open_pad()
    pad.stroke((140, 40), (140, 240))
    ink = pad.ink()
    assert ink[70, 70] == 255 and ink[30, 70] == 255  # on the line
    assert ink[70, 100] == 0 and ink[4, 70] == 0  # beside it, above it
    width = (ink[70] > 127).sum()
    assert 10 <= width <= 12  # 22 units of 280 are 11 of 140


def test_the_answer_is_shown_as_sentence_table_and_picture(open_pad):
    pad = open_pad()
    assert "Draw a digit" in pad.status.inner_text()
    pad.stroke((60, 140), (220, 140))
    digit = (pad.ink() > 127).sum() % 10
    assert pad.status.inner_text() == f"It reads {digit}, with probability 0.9100."
    rows = pad.page.locator("tbody tr")
    assert rows.nth(digit).locator(".pad-value").inner_text() == "0.9100"
    assert rows.nth((digit + 1) % 10).locator(".pad-value").inner_text() == "0.0100"
    assert "pad-best" in rows.nth(digit).get_attribute("class")
    level = "(x, y) => document.querySelector('.pad-seen').getContext('2d')"
    level += ".getImageData(x, y, 1, 1).data[0]"
    seen = pad.page.evaluate(f"[({level})(14, 14), ({level})(14, 2)]")
    assert seen == [255, 0]


def test_a_touch_leaves_a_dot(open_pad):
    pad = open_pad()
    pad.stroke((140, 140))
    assert 80 <= (pad.ink() > 127).sum() <= 110  # a disc of diameter 11


def test_undo_takes_back_one_act_at_a_time_a_reset_too(open_pad):
    pad = open_pad()
    undo = pad.page.locator('[data-action="undo"]')
    assert undo.is_disabled()
    pad.stroke((40, 40), (40, 240))
    one = pad.ink()
    pad.stroke((40, 240), (240, 240))
    two = pad.ink()
    assert two.sum() > one.sum()
    pad.click("reset")
    assert not pad.ink().any()
    assert "Draw a digit" in pad.status.inner_text()
    pad.click("undo")
    assert (pad.ink() == two).all()
    pad.click("undo")
    assert (pad.ink() == one).all()
    pad.click("undo")
    assert not pad.ink().any()
    assert undo.is_disabled()


def test_thicker_and_thinner_change_the_next_stroke(open_pad):
    pad = open_pad()
    pad.click("thicker")
    pad.stroke((40, 40), (240, 40))
    pad.click("thinner")
    pad.click("thinner")
    pad.stroke((40, 140), (240, 140))
    ink = pad.ink()
    assert (ink[:40, 70] > 127).sum() == 14  # 28 of 280
    assert (ink[40:, 70] > 127).sum() in (8, 9, 10)  # 18 of 280
    for _ in range(4):
        if pad.page.locator('[data-action="thinner"]').is_enabled():
            pad.click("thinner")
    assert pad.page.locator('[data-action="thinner"]').is_disabled()


def test_the_white_stroke_erases(open_pad):
    pad = open_pad()
    pad.stroke((40, 140), (240, 140))
    before = pad.ink()
    pad.click("white")
    pad.stroke((140, 100), (140, 180))
    after = pad.ink()
    assert before[70, 70] == 255 and after[70, 70] == 0
    assert after[70, 30] == 255
    assert pad.page.locator('[data-action="white"]').get_attribute("aria-pressed")
    pad.click("thicker")  # black again
    pad.stroke((140, 100), (140, 180))
    assert pad.ink()[70, 70] == 255


def test_preprocessing_is_told_to_python_and_asks_anew(open_pad):
    pad = open_pad()
    pad.stroke((40, 140), (240, 140))
    pad.settle()
    count = pad.page.evaluate("sent.length")
    pad.page.get_by_role("checkbox").uncheck()
    pad.settle()
    assert pad.page.evaluate("sent.length") == count + 1
    assert pad.page.evaluate("sent.map((s) => s.center)")[-2:] == [True, False]


def test_the_keyboard_alone_draws_undoes_and_resets(open_pad):
    pad = open_pad()
    keys = pad.page.keyboard
    pad.paper.focus()
    pad.page.keyboard.press("Tab")  # focus by key, as a keyboard user has it
    pad.page.keyboard.press("Shift+Tab")
    assert pad.page.locator(".pad-keys").is_visible()
    assert pad.page.locator(".pad-cursor").is_visible()
    assert not pad.page.locator(".pad-mouse").is_visible()
    described = pad.paper.get_attribute("aria-describedby")
    assert "Arrows move" in pad.page.locator(f"#{described}").inner_text()
    for _ in range(5):
        keys.press("ArrowUp")
    keys.press("Space")
    assert "Pen down, row 9, column 14" in pad.page.locator(".pad-pen").inner_text()
    for _ in range(10):
        keys.press("ArrowDown")
    keys.press("Space")
    for _ in range(3):
        keys.press("ArrowRight")  # the pen is up: nothing is drawn
    ink = pad.ink()
    assert ink[45:95, 70].min() == 255 and ink[95, 85] == 0
    keys.press("Space")
    keys.down("ArrowUp")
    keys.down("ArrowRight")  # both held: diagonally
    keys.up("ArrowUp")
    keys.up("ArrowRight")
    keys.press("Escape")
    assert pad.ink()[85, 90] == 255
    keys.press("Control+z")
    assert (pad.ink() == ink).all()
    keys.press("Delete")
    assert not pad.ink().any()


def test_keys_of_the_pad_do_not_reach_the_notebook(open_pad):
    """JupyterLab listens on the document, in the capturing phase: so does this page."""
    pad = open_pad()
    pad.page.evaluate(
        """() => {
        window.heard = [];
        document.addEventListener("keydown", (e) => heard.push(e.key), true);
    }"""
    )
    pad.stroke((40, 140), (240, 140))
    for key in ("ArrowDown", "d", "d", "Enter", "Space", "Escape", "Control+z"):
        pad.page.keyboard.press(key)
    assert pad.page.evaluate("heard") == ["Control"]
    assert not pad.ink()[80:].any()  # Control+Z undid the dot, the stroke stays
    assert pad.ink()[70, 70] == 255
    for key in ("Control+s", "Shift+Enter"):
        pad.page.keyboard.press(key)
    assert {"s", "Enter"} <= set(pad.page.evaluate("heard"))
    pad.page.evaluate("heard.length = 0")
    pad.page.locator('[data-action="reset"]').focus()
    pad.page.keyboard.press("Enter")
    assert not pad.ink().any()
    assert pad.page.evaluate("heard") == []


def test_a_pen_and_a_second_finger(open_pad):
    pad = open_pad()
    pad.page.evaluate(
        """() => {
        const paper = document.querySelector(".pad-paper");
        paper.setPointerCapture = () => {};
        const box = paper.getBoundingClientRect();
        const send = (type, pointerId, x, y, pointerType = "touch") =>
            paper.dispatchEvent(new PointerEvent(type, {pointerId, pointerType,
                button: 0, clientX: box.x + x, clientY: box.y + y, bubbles: true}));
        send("pointerdown", 7, 40, 40);
        send("pointermove", 7, 40, 100);
        send("pointerdown", 8, 200, 200);
        send("pointermove", 8, 250, 200);
        send("pointercancel", 7, 40, 100);
        send("pointermove", 7, 250, 250);
        send("pointerup", 8, 250, 200);
        send("pointerdown", 9, 140, 60, "pen");
        send("pointerup", 9, 140, 60, "pen");
    }"""
    )
    ink = pad.ink()
    assert ink[40, 20] == 255 and ink[30, 70] == 255
    assert ink[100, 100] == 0 and ink[125, 125] == 0
    touch = "getComputedStyle(document.querySelector('.pad-paper')).touchAction"
    assert pad.page.evaluate(touch) == "none"


def test_a_finger_draws_and_does_not_scroll(open_pad):
    pad = open_pad()
    pad.page.set_viewport_size({"width": 400, "height": 400})
    box = pad.paper.bounding_box()
    client = pad.page.context.new_cdp_session(pad.page)

    def touch(kind, *points):
        places = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in points]
        event = {"type": kind, "touchPoints": places}
        client.send("Input.dispatchTouchEvent", event)

    touch("touchStart", (100, 180))
    for y in range(170, 50, -10):
        touch("touchMove", (100, y))
    touch("touchEnd")
    ink = pad.ink()
    assert ink[60, 50] == 255 and ink[60, 70] == 0
    assert pad.page.evaluate("scrollY") == 0


def test_a_slow_network_gets_the_newest_drawing_and_no_queue(open_pad):
    pad = open_pad()
    pad.page.evaluate("window.delay = 400")
    for y in range(40, 240, 20):
        pad.stroke((40, y), (240, y))
    pad.page.wait_for_timeout(1300)
    times = pad.page.evaluate("sent.map((s) => s.time)")
    assert (np.diff(times) >= 350).all()  # one under way at a time
    assert len(times) <= 8
    ink = pad.ink()
    assert all(ink[y // 2, 70] == 255 for y in range(40, 240, 20))  # the last is whole
    assert pad.status.get_attribute("aria-busy") == "false"


def test_a_fast_network_gets_at_most_ten_a_second(open_pad):
    pad = open_pad()
    for y in range(40, 240, 10):
        pad.stroke((40, y), (240, y), (40, y + 5))
    pad.settle()
    pad.page.evaluate("sent.length = 0")
    box = pad.paper.bounding_box()
    pad.page.mouse.move(box["x"] + 20, box["y"] + 20)
    pad.page.mouse.down()
    for step in range(60):
        pad.page.mouse.move(box["x"] + 20 + 4 * step, box["y"] + 20 + step)
        pad.page.wait_for_timeout(10)
    assert pad.status.get_attribute("aria-busy") == "true"
    times = pad.page.evaluate("sent.map((s) => s.time)")
    pad.page.mouse.up()
    assert len(times) >= 3
    # On average: reading the drawing takes its own few ms, before it is sent.
    assert np.diff(times).mean() >= 90
    assert np.diff(times).min() >= 50


def test_waiting_for_the_kernel_is_said(open_pad):
    pad = open_pad()
    pad.page.evaluate("window.delay = 2500")
    pad.stroke((40, 140), (240, 140))
    pad.page.get_by_text("Waiting for the kernel").wait_for(timeout=3000)
    pad.page.get_by_text("It reads").wait_for(timeout=3000)


def test_an_error_of_predict_is_shown(open_pad):
    pad = open_pad()
    pad.page.evaluate("window.error = 'predict failed with RuntimeError: shapes.'")
    pad.stroke((40, 140), (240, 140))
    pad.settle()
    assert pad.alert.inner_text() == "predict failed with RuntimeError: shapes."
    assert pad.status.inner_text() == ""
    pad.page.evaluate("window.error = ''")
    pad.stroke((40, 100), (240, 100))
    pad.settle()
    assert pad.alert.inner_text() == ""
    assert "It reads" in pad.status.inner_text()


def test_samples_load_with_a_click_and_can_be_undone(open_pad):
    digit = _digit()
    pad = open_pad(samples=_digit(28).T.tobytes() + digit.tobytes())
    assert pad.page.locator(".pad-samples button").count() == 2
    pad.page.get_by_role("button", name="Load digit 2").click()
    expected = digit.repeat(5, axis=0).repeat(5, axis=1)
    assert (pad.ink() == expected).all()  # pixel for pixel
    pad.stroke((20, 20), (40, 20))  # one may draw on it
    assert pad.ink()[70, 70] == 255
    pad.click("undo")
    pad.click("undo")
    assert not pad.ink().any()


def test_the_example_gives_way_to_the_first_stroke_and_comes_back(open_pad):
    digit = _digit()
    pad = open_pad(drawing=digit.tobytes())
    assert pad.page.evaluate("sent.length") == 0  # Python knows its own example
    pad.stroke((20, 140), (60, 140))
    ink = pad.ink()
    assert ink[70, 20] == 255 and ink[70, 70] == 0
    pad.click("undo")
    assert pad.ink()[70, 70] == 255


def test_a_photograph_of_a_digit_becomes_ink(open_pad):
    """Uneven light, grain, dark grey pen on paper that is far from white."""
    y, x = np.mgrid[:300, :400]
    paper = 150 + 60 * x / 400 + 20 * y / 300
    paper += np.random.default_rng(0).normal(0, 4, paper.shape)
    paper[60:240, 190:210] -= 110
    pad = open_pad()
    pad.upload("seven.png", _png(paper.clip(0, 255)))
    ink = pad.ink()
    assert ink[70, 70] == 255  # 400 x 300 becomes 140 x 105, with 17 rows above
    assert (ink[:, :60] == 0).mean() > 0.999 and (ink[:, 80:] == 0).mean() > 0.999
    assert (ink[45:95, 70] > 200).all()


@pytest.mark.parametrize("dark", [False, True])
def test_the_background_may_be_light_or_dark(open_pad, dark):
    digit = np.kron(_digit(), np.ones((4, 4)))
    pad = open_pad()
    pad.upload("digit.png", _png(digit if dark else 255 - digit))
    ink = pad.ink()
    assert ink[70, 70] > 200 and ink[70, 40] == 0


def test_wrong_files_get_a_sentence_and_leave_the_drawing(open_pad):
    pad = open_pad()
    pad.stroke((40, 140), (240, 140))
    before = pad.ink()
    pad.upload("notes.txt", b"not an image", "text/plain")
    pad.page.get_by_text("notes.txt cannot be read as an image").wait_for()
    pad.upload("grey.png", _png(np.full((80, 80), 128)))
    pad.page.get_by_text("No digit stands out in grey.png").wait_for()
    pad.upload("big.png", bytes(11 * 2**20))
    pad.page.get_by_text("This file has 11.0 MB and the limit is 10 MB").wait_for()
    pad.stroke((40, 40), (240, 40))
    pad.click("undo")
    assert (pad.ink() == before).all()
    assert pad.alert.inner_text() == ""


def test_every_word_is_in_the_language_asked_for(open_pad):
    english = open_pad(samples=_digit().tobytes(), lang="en").page.inner_text("body")
    spanish = open_pad(samples=_digit().tobytes(), lang="es")
    assert spanish.page.locator(".drawing-pad").get_attribute("lang") == "es"
    words = {line for line in english.splitlines() if any(map(str.isalpha, line))}
    assert len(words) >= 12
    assert not words & set(spanish.page.inner_text("body").splitlines())


def test_nothing_is_cut_off_on_a_narrow_screen(open_pad):
    pad = open_pad(samples=_digit().tobytes() * 10)
    pad.page.set_viewport_size({"width": 320, "height": 700})
    scroll = "document.documentElement.scrollWidth"
    assert pad.page.evaluate(scroll) <= 320


def test_a_drawing_set_elsewhere_shows_here(open_pad):
    pad = open_pad()
    pad.stroke((40, 40), (240, 40))
    pad.settle()
    pad.page.evaluate(
        """() => {
        model.set("drawing", new Uint8Array(140 * 140).fill(255, 0, 140));
        model.set("answer", {request: 99, seen: new Uint8Array(784), error: "",
                             probabilities: [0, 0, 0, 0.4, 0, 0, 0, 0.35, 0.25, 0]});
    }"""
    )
    assert pad.status.inner_text() == "It hesitates: 3 (0.4000) or 7 (0.3500)?"
    pad.page.get_by_role("checkbox").uncheck()
    ink = pad.ink()
    assert (ink[0] == 255).all() and not ink[2:].any()


def test_it_leaves_the_page_when_it_is_closed(open_pad):
    pad = open_pad()
    pad.page.evaluate("done()")
    assert pad.page.locator("#pad *").count() == 0

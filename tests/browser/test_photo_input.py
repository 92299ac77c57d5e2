"""The camera for the hand in headless Chromium, which makes up a camera's pictures.

The page imports photo_input.js as anywidget does, and gives it a model whose answers
the page makes up: the letter it "reads" is the mean brightness of the square in tens,
so that every change of the square shows. What went to Python is recorded in
`window.sent`, and the camera's streams in `window.streams`.
"""

import base64
import io
import json
import shutil
import threading
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error

import course_utils.locale as locale
from course_utils.widgets.photo_input import _labels

FOLDER = Path(__file__).parents[2] / "course_utils" / "widgets"
CLASSES = list("ABCDEFGHIKLMNOPQRSTUVWXY")
FLAGS = ["--no-sandbox", "--disable-gpu"]
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

PAGE = """<!doctype html><html><head><meta charset="utf-8">
<link rel="stylesheet" href="photo_input.css"></head>
<body style="margin:20px"><div id="photo"></div><script type="module">
import widget from "./photo_input.js";
const setup = SETUP;
const state = {labels: setup.labels, samples: new Uint8Array(setup.samples),
  classes: setup.classes,
  answer: {seen: new Uint8Array(784), probabilities: setup.probabilities, error: ""}};
const handlers = {};
window.sent = [];  // what Python would have got
window.streams = [];
window.delay = 5;  // ms that the network takes
window.error = "";
const devices = navigator.mediaDevices;
if (devices) {
  const ask = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    if (window.refusal) throw new DOMException("", window.refusal);
    const stream = await ask(wanted);
    window.streams.push({wanted, stream});
    return stream;
  };
}
const model = {
  get: (name) => state[name],
  on: (name, handler) => { handlers[name] = handler; },
  off: (name) => { delete handlers[name]; },
  send({view, request, side}, _, [buffer]) {
    const pixels = new Uint8Array(buffer);
    window.sent.push({pixels, side, time: performance.now()});
    const mean = pixels.reduce((sum, v) => sum + v, 0) / pixels.length;
    const probabilities = Array(24).fill(0.01);
    probabilities[Math.floor(mean / 11)] = 0.77;
    const seen = Uint8Array.from({length: 784}, (_, i) => i % 256);
    const answer = {view, request, error: window.error,
                    probabilities: window.error || !mean ? [] : probabilities};
    handlers["msg:custom"]?.({...answer, view: "another"}, [new DataView(seen.buffer)]);
    const reply = () => handlers["msg:custom"]?.(answer, [new DataView(seen.buffer)]);
    setTimeout(reply, window.delay);
  },
};
window.done = widget.render({model, el: document.getElementById("photo")});
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


@pytest.fixture(scope="module")
def camera_browser(browser):
    """A browser whose camera shows a moving picture of Chromium's own making."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    ways = [{"executable_path": found}] if found else [{}, {"channel": "chrome"}]
    for way in ways:
        with suppress(Error):
            other = browser.browser_type.launch(args=[*FLAGS, *CAMERA], **way)
            break
    yield other
    other.close()


class Photo:
    """A page with the widget in it, and the gestures of somebody who uses it."""

    def __init__(self, page):
        self.page = page
        self.square = page.get_by_role("application")
        self.status = page.locator(".photo-status")
        self.alert = page.get_by_role("alert")

    def button(self, key):
        return self.page.locator(f'[data-action="{key}"]')

    def upload(self, name, data, kind="image/png"):
        file = {"name": name, "mimeType": kind, "buffer": data}
        self.page.locator("input[type=file]").set_input_files(file)

    def settle(self):
        """Wait for the last answer, the one after which nothing more was sent."""
        before = -1
        while before != (before := self.page.evaluate("sent.length")):
            self.page.wait_for_timeout(250)

    def pixels(self):
        """What Python got last, (side, side, 3)."""
        self.settle()
        text = self.page.evaluate(
            """() => { const {pixels, side} = sent.at(-1);
            return side + " " + btoa(Array.from(pixels, (v) =>
                String.fromCharCode(v)).join("")); }"""
        )
        side, data = text.split(" ")
        array = np.frombuffer(base64.b64decode(data), dtype=np.uint8)
        return array.reshape(int(side), int(side), 3)

    def drag(self, start, end):
        """From one place to another, in pixels of the photo."""
        canvas = self.page.locator(".photo-canvas")
        box = canvas.bounding_box()
        scale = box["width"] / canvas.evaluate("(c) => c.width")
        mouse = self.page.mouse
        mouse.move(box["x"] + start[0] * scale, box["y"] + start[1] * scale)
        mouse.down()
        mouse.move(box["x"] + end[0] * scale, box["y"] + end[1] * scale, steps=5)
        mouse.up()


@pytest.fixture
def open_photo(browser, address):
    """open_photo(samples, lang) -> Photo; errors of the script fail the test."""
    contexts, faults = [], []

    def open_photo(samples=b"", lang="en", browser=browser, base=address):
        locale.set_language(lang)
        setup = {
            "labels": _labels(),
            "classes": CLASSES,
            "samples": list(samples),
            "probabilities": [0.9] + [0.1 / 23] * 23 if samples else [],
        }
        context = browser.new_context(viewport={"width": 900, "height": 700})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        html = PAGE.replace("SETUP", json.dumps(setup))
        page.route(
            "**/photo.html",
            lambda route: route.fulfill(body=html, content_type="text/html"),
        )
        page.goto(base + "photo.html")
        page.locator(".photo-input").wait_for()
        return Photo(page)

    yield open_photo
    locale.set_language("en")
    for context in contexts:
        context.close()
    assert faults == []


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _scene(height=90, width=120):
    """A colour photo that is different in every pixel."""
    rows, columns = np.mgrid[:height, :width]
    scene = np.stack([2 * columns, 2 * rows, rows + columns], axis=-1)
    return scene.astype(np.uint8)


def test_an_uploaded_photo_is_cut_to_the_largest_square(open_photo):
    photo = open_photo()
    assert photo.status.inner_text() == "Photograph your hand or upload an image."
    assert not photo.square.is_visible()
    scene = _scene()
    photo.upload("hand.png", _png(scene))
    assert (photo.pixels() == scene[:, 15:105]).all()
    letter = CLASSES[int(scene[:, 15:105].mean() // 11)]
    assert photo.status.inner_text() == f"It reads {letter}, with probability 77.0%."
    rows = photo.page.locator("tbody tr")
    assert rows.count() == 3
    assert rows.first.inner_text().split() == [letter, "77.0%"]
    assert rows.nth(1).inner_text().split()[1] == "1.0%"
    level = "document.querySelector('.photo-seen').getContext('2d')"
    level += ".getImageData(3, 1, 1, 1).data[0]"
    assert photo.page.evaluate(level) == 31


def test_a_large_photo_is_reduced_and_a_small_one_left_alone(open_photo):
    photo = open_photo()
    photo.upload("hand.png", _png(np.full((900, 1600, 3), (10, 200, 90))))
    pixels = photo.pixels()
    assert pixels.shape == (225, 225, 3)  # 1600 become 400
    assert (pixels == (10, 200, 90)).all()
    photo.upload("dot.png", _png(_scene(9, 5)))
    assert (photo.pixels() == _scene(9, 5)[2:7]).all()


def test_a_transparent_picture_lies_on_white(open_photo):
    photo = open_photo()
    photo.upload("hand.png", _png(np.zeros((40, 40, 4))))
    assert (photo.pixels() == 255).all()


def test_the_square_is_dragged_and_stays_inside(open_photo):
    photo = open_photo()
    scene = _scene()
    photo.upload("hand.png", _png(scene))
    photo.settle()
    photo.drag((60, 45), (70, 45))
    assert (photo.pixels() == scene[:, 25:115]).all()
    photo.drag((60, 45), (0, 60))
    assert (photo.pixels() == scene[:, :90]).all()
    assert photo.status.get_attribute("aria-busy") == "false"


def test_a_corner_makes_the_square_smaller_and_keeps_the_one_opposite(open_photo):
    photo = open_photo()
    scene = _scene()
    photo.upload("hand.png", _png(scene))
    photo.settle()
    photo.drag((104, 89), (64, 59))  # from lower right
    pixels = photo.pixels()
    side = len(pixels)
    assert 58 <= side <= 62
    assert (pixels == scene[:side, 15 : 15 + side]).all()
    photo.drag((16, 1), (60, 55))  # from upper left, too far: 28 pixels are left
    assert (photo.pixels() == scene[side - 28 : side, side - 13 : side + 15]).all()
    photo.drag((side - 12, side - 27), (0, 0))  # and back, as far as there is room
    assert (photo.pixels() == scene[:side, 15 : 15 + side]).all()


def test_a_click_beside_the_square_brings_it_there(open_photo):
    photo = open_photo()
    scene = _scene()
    photo.upload("hand.png", _png(scene))
    photo.drag((104, 89), (54, 39))  # 40 wide
    side = len(photo.pixels())
    photo.drag((100, 70), (100, 70))
    left, top = round(100 - side / 2), round(70 - side / 2)
    pixels = photo.pixels()
    assert pixels.shape == (side, side, 3)
    assert abs(int(pixels[0, 0, 0]) // 2 - left) <= 1
    assert abs(int(pixels[0, 0, 1]) // 2 - top) <= 1


def test_the_keyboard_moves_and_resizes_the_square(open_photo):
    photo = open_photo()
    scene = _scene(100, 128)
    photo.upload("hand.png", _png(scene))
    photo.settle()
    keys = photo.page.keyboard
    photo.button("upload").focus()
    keys.press("Tab")  # to the box for the mirror
    keys.press("Tab")
    assert photo.square.evaluate("(s) => s === document.activeElement")
    described = photo.square.get_attribute("aria-describedby")
    assert "Arrows move" in photo.page.locator(f"#{described}").inner_text()
    assert not photo.page.locator(".photo-mouse").is_visible()
    for _ in range(5):
        keys.press("-")
    assert (photo.pixels() == scene[20:80, 34:94]).all()
    keys.press("ArrowLeft")
    keys.press("ArrowDown")
    keys.press("Shift+ArrowDown")
    assert (photo.pixels() == scene[31:91, 24:84]).all()
    assert "Left 24, top 31, side 60" in photo.page.locator(".photo-place").inner_text()
    keys.press("+")
    assert (photo.pixels() == scene[27:95, 20:88]).all()
    for _ in range(9):
        keys.press("ArrowRight")
    assert (photo.pixels() == scene[27:95, 60:128]).all()


def test_keys_of_the_widget_do_not_reach_the_notebook(open_photo):
    """JupyterLab listens on the document, in the capturing phase: so does this page."""
    photo = open_photo()
    photo.upload("hand.png", _png(_scene()))
    photo.settle()
    photo.page.evaluate(
        """() => {
        window.heard = [];
        document.addEventListener("keydown", (e) => heard.push(e.key), true);
    }"""
    )
    photo.square.focus()
    for key in ("ArrowDown", "d", "d", "Enter", "-", "Control+v"):
        photo.page.keyboard.press(key)
    assert photo.page.evaluate("heard") == ["Control"]
    for key in ("Control+s", "Shift+Enter"):
        photo.page.keyboard.press(key)
    assert {"s", "Enter"} <= set(photo.page.evaluate("heard"))


def test_a_finger_moves_the_square_and_a_second_one_does_not(open_photo):
    photo = open_photo()
    photo.page.set_viewport_size({"width": 400, "height": 500})
    scene = _scene()
    photo.upload("hand.png", _png(scene))
    photo.settle()
    box = photo.page.locator(".photo-canvas").bounding_box()
    client = photo.page.context.new_cdp_session(photo.page)

    def touch(kind, *points):
        places = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in points]
        event = {"type": kind, "touchPoints": places}
        client.send("Input.dispatchTouchEvent", event)

    touch("touchStart", (150, 120))
    for x in range(150, 90, -10):
        touch("touchMove", (x, 60))
    touch("touchMove", (100, 60), (200, 200))
    touch("touchEnd")
    pixels = photo.pixels()
    assert (pixels == scene[:, :90]).all()
    assert photo.page.evaluate("scrollY") == 0


def test_mirrored_is_what_python_gets(open_photo):
    photo = open_photo()
    scene = _scene()
    photo.upload("hand.png", _png(scene))
    photo.settle()
    photo.drag((60, 45), (70, 45))
    photo.page.get_by_role("checkbox").check()
    assert (photo.pixels() == scene[:, 25:115][:, ::-1]).all()
    photo.upload("next.png", _png(scene // 2))
    assert (photo.pixels() == scene[:, 15:105][:, ::-1] // 2).all()
    photo.page.get_by_role("checkbox").uncheck()
    assert (photo.pixels() == scene[:, 15:105] // 2).all()


def test_a_file_can_be_dropped_or_pasted(open_photo):
    photo = open_photo()
    scene = _scene()
    send = """({type, data, name}) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, {type: "image/png"}));
        const paste = type === "paste";
        const event = paste
          ? new ClipboardEvent(type, {clipboardData: transfer, bubbles: true})
          : new DragEvent(type,
              {dataTransfer: transfer, bubbles: true, cancelable: true});
        document.querySelector(".photo-stage").dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    for number, kind in enumerate(("drop", "paste")):
        data = base64.b64encode(_png(scene // (number + 1))).decode()
        content = {"type": kind, "data": data, "name": "hand.png"}
        if kind == "drop":
            assert photo.page.evaluate(send, {**content, "type": "dragover"})
            assert photo.page.locator(".photo-over").count() == 1
        photo.page.evaluate(send, content)
        photo.page.wait_for_timeout(200)
        assert (photo.pixels() == scene[:, 15:105] // (number + 1)).all()
        assert photo.page.locator(".photo-over").count() == 0


def test_wrong_files_get_a_sentence_and_leave_the_photo(open_photo):
    photo = open_photo()
    photo.upload("hand.png", _png(_scene()))
    before = photo.pixels()
    photo.upload("notes.txt", b"not an image", "text/plain")
    photo.page.get_by_text("notes.txt cannot be read as an image").wait_for()
    photo.page.evaluate(
        """() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(21 * 2 ** 20)], "big.png"));
        document.querySelector(".photo-stage").dispatchEvent(
            new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));
    }"""
    )
    photo.page.get_by_text("This file has 21.0 MB and the limit is 20 MB").wait_for()
    photo.page.get_by_role("checkbox").check()
    assert (photo.pixels() == before[:, ::-1]).all()
    assert photo.alert.inner_text() == ""


def test_an_error_of_predict_is_shown(open_photo):
    photo = open_photo()
    photo.page.evaluate("window.error = 'predict failed with RuntimeError: shapes.'")
    photo.upload("hand.png", _png(_scene()))
    photo.settle()
    assert photo.alert.inner_text() == "predict failed with RuntimeError: shapes."
    assert photo.status.inner_text() == ""


def test_a_dark_square_and_a_slow_kernel_are_told(open_photo):
    photo = open_photo()
    photo.page.evaluate("window.delay = 2200")
    photo.upload("dark.png", _png(np.zeros((90, 120))))
    photo.page.get_by_text("Waiting for the kernel").wait_for(timeout=3000)
    photo.page.get_by_text("Nothing can be seen in the square").wait_for(timeout=3000)
    assert photo.page.locator("tbody").inner_text().split() == ["–"] * 6


def test_a_slow_network_gets_the_newest_square_and_no_queue(open_photo):
    photo = open_photo()
    photo.page.evaluate("window.delay = 400")
    photo.upload("hand.png", _png(_scene()))
    photo.page.wait_for_timeout(50)
    for x in range(61, 71):
        photo.drag((60, 45), (x - 5, 45))
    photo.page.wait_for_timeout(1300)
    times = photo.page.evaluate("sent.map((s) => s.time)")
    assert (np.diff(times) >= 350).all()  # one under way at a time
    assert len(times) <= 8


def test_the_first_sample_stands_there_and_others_load_with_a_click(open_photo):
    samples = np.arange(2 * 784).reshape(2, 28, 28) % 251
    photo = open_photo(samples=samples.astype(np.uint8).tobytes())
    assert photo.status.inner_text() == "It reads A, with probability 90.0%."
    photo.settle()
    assert photo.page.evaluate("sent.length") == 0  # its answer came with the widget
    assert not photo.square.is_visible()  # there is nothing to move
    photo.page.get_by_role("button", name="Load example 2").click()
    assert (photo.pixels() == samples[1][..., None]).all()


# --- the camera -----------------------------------------------------------------------


def test_the_camera_answers_live_and_stops_after_the_photo(
    open_photo, camera_browser, artifacts
):
    photo = open_photo(browser=camera_browser)
    assert photo.page.evaluate("streams.length") == 0  # only when asked for
    assert not photo.button("snapshot").is_visible()
    photo.button("camera").click()
    photo.button("snapshot").wait_for()
    assert not photo.button("camera").is_visible()
    photo.page.get_by_text("It reads").wait_for()
    photo.page.wait_for_timeout(1200)
    photo.page.screenshot(path=artifacts / "camera.png")
    assert photo.status.get_attribute("aria-busy") == "true"
    wanted = photo.page.evaluate("streams[0].wanted")
    assert wanted["video"]["facingMode"] == "user" and "audio" not in wanted
    times = photo.page.evaluate("sent.map((s) => s.time)")
    # Ten a second on average: reading a photo takes its own few ms, before it is sent.
    assert len(times) >= 3 and np.diff(times).mean() >= 90
    assert np.diff(times).min() >= 50
    changes = """sent.slice(1).some(({pixels}, i) =>
        pixels.some((v, j) => v !== sent[i].pixels[j]))"""
    assert photo.page.evaluate(changes)  # it moves
    photo.page.keyboard.press("Space")  # the button has the focus
    states = "streams[0].stream.getTracks().map((t) => t.readyState)"
    assert photo.page.evaluate(states) == ["ended"]
    pixels = photo.pixels()  # the photo stays, and nothing more is sent
    assert pixels.shape == (240, 240, 3) and pixels.std() > 5  # 0.8 of 400 x 300
    assert photo.status.get_attribute("aria-busy") == "false"
    assert photo.button("camera").evaluate("(b) => b === document.activeElement")


def test_the_square_can_be_moved_while_the_camera_runs(open_photo, camera_browser):
    photo = open_photo(browser=camera_browser)
    photo.button("camera").click()
    photo.page.get_by_text("It reads").wait_for()
    photo.drag((320 - 1, 270 - 1), (220, 170))  # a corner
    side = photo.page.evaluate("sent.at(-1).side")
    photo.page.wait_for_timeout(300)
    assert photo.page.evaluate("sent.at(-1).side") < 200 <= 240
    photo.button("close").click()
    assert side and not photo.button("close").is_visible()
    photo.button("camera").click()
    photo.page.wait_for_timeout(500)
    assert photo.page.evaluate("sent.at(-1).side") < 200  # it stays for the next photo


@pytest.mark.parametrize("way", ["closed", "sample", "unplugged", "cell run again"])
def test_the_camera_never_stays_open(open_photo, camera_browser, way):
    samples = bytes(range(256)) * 4
    photo = open_photo(samples=samples[:784], browser=camera_browser)
    photo.button("camera").click()
    photo.button("snapshot").wait_for()
    if way == "closed":
        photo.button("close").click()
    elif way == "sample":
        photo.page.get_by_role("button", name="Load example 1").click()
    elif way == "unplugged":
        track = "streams[0].stream.getTracks()[0]"
        photo.page.evaluate(f"{track}.dispatchEvent(new Event('ended'))")
    else:
        photo.page.evaluate("done()")
        assert photo.page.locator("#photo *").count() == 0
    photo.page.wait_for_timeout(100)
    states = "streams[0].stream.getTracks().map((t) => t.readyState)"
    assert photo.page.evaluate(states) == ["ended"]
    if way == "unplugged":
        photo.settle()  # an answer that comes later leaves the sentence
        assert photo.alert.inner_text() == "The camera was disconnected."


def test_it_may_be_closed_while_the_browser_asks(open_photo, camera_browser):
    samples = bytes(range(256)) * 4
    photo = open_photo(samples=samples[:784], browser=camera_browser)
    photo.page.evaluate(
        """() => {
        const ask = navigator.mediaDevices.getUserMedia;
        navigator.mediaDevices.getUserMedia = async (wanted) => {
            await new Promise((done) => setTimeout(done, 500));
            return ask(wanted);
        };
    }"""
    )
    photo.button("camera").click()
    assert photo.button("camera").is_disabled()
    photo.page.get_by_role("button", name="Load example 1").click()
    photo.page.wait_for_timeout(900)
    states = "streams[0].stream.getTracks().map((t) => t.readyState)"
    assert photo.page.evaluate(states) == ["ended"]
    assert photo.button("camera").is_enabled()
    assert not photo.button("snapshot").is_visible()
    assert photo.page.evaluate("sent.at(-1).side") == 28


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ("NotAllowedError", "The camera was not allowed."),
        ("SecurityError", "The camera was not allowed."),
        ("NotFoundError", "No camera was found."),
        ("OverconstrainedError", "No camera was found."),
        ("NotReadableError", "does another program use it?"),
        ("AbortError", "does another program use it?"),
    ],
)
def test_a_camera_that_cannot_be_had_gets_a_sentence(open_photo, refusal, sentence):
    photo = open_photo()
    photo.page.evaluate(f"window.refusal = '{refusal}'")
    photo.button("camera").click()
    photo.page.get_by_text(sentence).wait_for()
    assert "pload an image" in photo.alert.inner_text()
    assert photo.button("camera").is_enabled()
    assert not photo.button("snapshot").is_visible()


def test_a_page_that_is_not_secure_has_no_camera(camera_browser):
    """All of it comes from the test: no such server is asked."""
    base = "http://course.example/"

    def files(route):
        route.fulfill(path=FOLDER / route.request.url.rpartition("/")[2])

    context = camera_browser.new_context()
    page = context.new_page()
    setup = {"labels": _labels(), "classes": CLASSES, "samples": []}
    html = PAGE.replace("SETUP", json.dumps({**setup, "probabilities": []}))
    page.route("**/photo_input.*", files)
    page.route(
        "**/photo.html",
        lambda route: route.fulfill(body=html, content_type="text/html"),
    )
    page.goto(base + "photo.html")
    photo = Photo(page)
    photo.button("camera").click()
    page.get_by_text("only to pages opened by https or from localhost").wait_for()
    context.close()


# --- words and sizes ------------------------------------------------------------------


def test_every_word_is_in_the_language_asked_for(open_photo):
    english = open_photo(samples=bytes(784), lang="en").page.inner_text("body")
    spanish = open_photo(samples=bytes(784), lang="es")
    assert spanish.page.locator(".photo-input").get_attribute("lang") == "es"
    words = {line for line in english.splitlines() if any(map(str.islower, line))}
    assert len(words) >= 11
    assert not words & set(spanish.page.inner_text("body").splitlines())


@pytest.mark.parametrize("lang", ["en", "es"])
def test_nothing_is_cut_off_on_a_narrow_screen(open_photo, lang):
    photo = open_photo(samples=bytes(784 * 10), lang=lang)
    photo.page.set_viewport_size({"width": 320, "height": 700})
    scroll = "document.documentElement.scrollWidth"
    assert photo.page.evaluate(scroll) <= 320
    photo.upload("tall.png", _png(_scene(120, 50)))
    photo.settle()
    assert photo.page.evaluate(scroll) <= 320

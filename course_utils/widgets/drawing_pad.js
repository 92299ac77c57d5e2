/*
 * A pad to draw a digit on, and the network's answer beside it.
 *
 * createPad() knows nothing of Jupyter: it gets an `ask` function and serves any page.
 * render(), at the end, ties it to the Python model by anywidget.
 */

const SIDE = 280; // side of the paper in its own units: ten of them are a pixel of MNIST
const SENT = 140; // side of the picture that `ask` gets: five pixels are one of MNIST
const SEEN = 28; // side of what the network sees
const WIDTHS = [10, 14, 18, 22, 28, 34]; // of the pen, in units of the paper
const PERIOD = 100; // ms between two questions while the pen moves
const PATIENCE = 1500; // ms without an answer before we say that we are waiting
const LOST = 10000; // ms after which a question counts as lost
const MEGABYTES = 10; // largest file to upload
const MIN_CONTRAST = 40; // grey levels between paper and ink in an uploaded picture
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const NOTHING = { seen: new Uint8Array(SEEN * SEEN), probabilities: [], error: "" };

/** An element with its attributes and children; a true attribute is set, a false left. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** The sentence with its {names} filled in. */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** A canvas that holds an n x n picture, 255 = ink; ink is black unless `white`. */
export function picture(ink, white = false) {
  const n = Math.round(Math.sqrt(ink.length));
  const canvas = h("canvas", { width: n, height: n });
  const context = canvas.getContext("2d");
  const image = context.createImageData(n, n);
  for (let i = 0; i < ink.length; i++) {
    const level = white ? ink[i] : 255 - ink[i];
    image.data.set([level, level, level, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Grey levels, 0 to 255, of the square context. */
function greys(context) {
  const { width, height } = context.canvas;
  const { data } = context.getImageData(0, 0, width, height);
  return Float32Array.from({ length: width * height }, (_, i) =>
    0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
}

/** The plane a x + b y + c nearest to the values that are kept, by least squares. */
function plane(values, kept, width) {
  let n = 0, sx = 0, sy = 0, sv = 0, sxx = 0, sxy = 0, syy = 0, sxv = 0, syv = 0;
  values.forEach((v, i) => {
    if (!kept[i]) return;
    const x = (i % width) / width - 0.5;
    const y = Math.floor(i / width) / width - 0.5;
    n += 1; sx += x; sy += y; sv += v;
    sxx += x * x; sxy += x * y; syy += y * y; sxv += x * v; syv += y * v;
  });
  const [xx, xy, yy] = [sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n];
  const [xv, yv] = [sxv - sx * sv / n, syv - sy * sv / n];
  const determinant = xx * yy - xy * xy || 1;
  const a = (xv * yy - yv * xy) / determinant;
  const b = (yv * xx - xv * xy) / determinant;
  return [a, b, (sv - a * sx - b * sy) / n];
}

/**
 * The ink of a photograph, 255 = ink, or null where there is none to be seen.
 *
 * The paper is whatever most pixels are, light or dark. Light falls unevenly on a
 * photographed sheet, so its brightness is taken for a plane, fitted three times to the
 * pixels that look like paper. Ink is what differs from it, to the side that differs most.
 */
function findInk(values, width) {
  const middle = Float32Array.from(values).sort()[values.length >> 1];
  let kept = values.map((v) => Math.abs(v - middle) < 60);
  let difference;
  for (let round = 0; round < 3; round++) {
    const [a, b, c] = plane(values, kept, width);
    difference = values.map((v, i) =>
      a * ((i % width) / width - 0.5) + b * (Math.floor(i / width) / width - 0.5) + c - v);
    kept = difference.map((d) => Math.abs(d) < 20);
    if (!kept.some(Boolean)) return null;
  }
  const sorted = Float32Array.from(difference).sort();
  const darker = sorted[Math.floor(0.997 * sorted.length)];
  const lighter = -sorted[Math.floor(0.003 * sorted.length)];
  const strength = Math.max(darker, lighter);
  if (strength < MIN_CONTRAST) return null;
  const sign = darker >= lighter ? 1 : -1;
  // What differs by less than a third is shadow or grain; two thirds are full ink.
  return Uint8Array.from(difference, (d) =>
    Math.max(0, Math.min(255, Math.round(765 * (sign * d) / strength - 255))));
}

/** The ink of an image file, SENT x SENT; throws the sentence that says what is wrong. */
async function readImage(file, labels) {
  if (file.size > MEGABYTES * 2 ** 20) {
    const size = (file.size / 2 ** 20).toFixed(1);
    throw fill(labels.too_large, { size, limit: MEGABYTES });
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw fill(labels.not_image, { name: file.name });
  }
  // The picture's own rectangle first, then its ink into the middle of a square sheet:
  // margins added before would be taken for paper or for ink.
  const scale = SENT / Math.max(bitmap.width, bitmap.height);
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const context = h("canvas", { width, height }).getContext("2d");
  context.fillStyle = "white"; // under transparent pictures
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const ink = findInk(greys(context), width);
  if (!ink) throw fill(labels.no_digit, { name: file.name });
  const sheet = new Uint8Array(SENT * SENT);
  const [left, top] = [(SENT - width) >> 1, (SENT - height) >> 1];
  for (let y = 0; y < height; y++) {
    sheet.set(ink.subarray(y * width, (y + 1) * width), (top + y) * SENT + left);
  }
  return sheet;
}

/** The sheet of paper: a list of acts (strokes, pictures, resets) and how to paint them. */
function createPaper(canvas, acts) {
  const screen = canvas.getContext("2d");
  const sent = h("canvas", { width: SENT, height: SENT }).getContext("2d", {
    willReadFrequently: true,
  });
  const contexts = [screen, sent];
  for (const context of contexts) {
    context.scale(context.canvas.width / SIDE, context.canvas.width / SIDE);
    context.lineCap = context.lineJoin = "round";
  }

  function paint(act, from = 0) {
    for (const context of contexts) {
      if (act.clears && from === 0) {
        context.fillStyle = "white";
        context.fillRect(0, 0, SIDE, SIDE);
      }
      if (act.ink) {
        // Pixels of MNIST stay squares, a photograph is smoothed.
        context.imageSmoothingEnabled = act.ink.length > SEEN * SEEN;
        context.drawImage(picture(act.ink), 0, 0, SIDE, SIDE);
      }
      if (act.points) {
        context.strokeStyle = act.white ? "white" : "black";
        context.lineWidth = act.width;
        // Each piece by itself, so that painting all again gives the very same pixels.
        for (let i = from; i < act.points.length; i++) {
          const [x, y] = act.points[Math.max(0, i - 1)];
          context.beginPath();
          context.moveTo(x + 0.01, y); // a touch leaves a dot
          context.lineTo(...act.points[i]);
          context.stroke();
        }
      }
    }
  }

  function repaint() {
    paint({ clears: true });
    acts.slice(Math.max(0, acts.findLastIndex((act) => act.clears))).forEach((act) => paint(act));
  }

  function add(act) {
    acts.push(act);
    paint(act);
  }

  repaint();
  return {
    add,
    /** Load a picture; an `example` gives way to the first black stroke. */
    load: (ink, example = false) => add({ ink, clears: true, example }),
    begin(point, white, width) {
      const clears = !white && Boolean(acts.at(-1)?.example);
      add({ points: [point], white, width, clears });
    },
    extend(points) {
      const act = acts.at(-1);
      const from = act.points.length;
      act.points.push(...points);
      paint(act, from);
    },
    undo() {
      acts.pop();
      repaint();
    },
    /** Start again from this picture, with nothing to undo. */
    restart(ink) {
      acts = [];
      paint({ clears: true, ink });
      if (ink) acts.push({ ink, clears: true });
    },
    acts: () => acts,
    canUndo: () => acts.length > 0,
    /** What is on the paper, (SENT x SENT) bytes, 255 = ink. */
    read() {
      const { data } = sent.getImageData(0, 0, SENT, SENT);
      return Uint8Array.from({ length: SENT * SENT }, (_, i) => 255 - data[4 * i]);
    },
  };
}

/** Ten rows: digit, bar, probability with four decimals. */
function createTable(labels) {
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = h("div", { class: "pad-bar" });
    const value = h("td", { class: "pad-value" });
    const row = h("tr", {}, h("th", { scope: "row" }, String(digit)),
      h("td", { class: "pad-track", "aria-hidden": "true" }, bar), value);
    return { row, bar, value };
  });
  const head = h("tr", {}, h("th", { scope: "col" }, labels.digit),
    h("td", { "aria-hidden": "true" }), h("th", { scope: "col" }, labels.probability));
  const element = h("table", { class: "pad-table" }, h("caption", {}, labels.probabilities),
    h("thead", {}, head), h("tbody", {}, ...rows.map(({ row }) => row)));
  function show(probabilities) {
    const best = probabilities.indexOf(Math.max(...probabilities));
    rows.forEach(({ row, bar, value }, digit) => {
      const p = probabilities[digit];
      row.classList.toggle("pad-best", digit === best);
      bar.style.width = `${100 * (p ?? 0)}%`;
      value.textContent = p === undefined ? "–" : p.toFixed(4);
    });
  }
  return { element, show };
}

/** The answer in a sentence; two digits where none has half of the probability. */
function sentence(probabilities, labels) {
  if (!probabilities.length) return labels.empty;
  const order = [...probabilities.keys()].sort((i, j) => probabilities[j] - probabilities[i]);
  const [digit, second] = order;
  const [p, q] = [digit, second].map((i) => probabilities[i].toFixed(4));
  const form = probabilities[digit] < 0.5 ? labels.hesitates : labels.reads;
  return fill(form, { digit, p, second, q });
}

/**
 * Build the pad inside `el`.
 *
 * labels: the words, see _labels() in drawing_pad.py.
 * samples: bytes of n pictures of 28 x 28, 255 = ink. example: true shows the first.
 * ask: ({drawing: bytes of 140 x 140, 255 = ink, center: bool}) -> promise of
 *   {seen: 784 bytes, probabilities: ten numbers, or none, error: sentence or "", and
 *   ms if the time it took is to be shown, else the time until the answer came is}.
 *   One question at a time: while one is under way only the newest drawing waits.
 * acts, nibSize, whitePen: what is on the paper already, and the pen, to go on from.
 * Returns {show(answer), restart(bytes), destroy()}; destroy() returns {center, acts,
 *   nibSize, whitePen}, with which another pad goes on, in another language for example.
 */
export function createPad(el, {
  labels, samples = new Uint8Array(), center = true, ask,
  acts = [], nibSize = 3, whitePen = false,
}) {
  const id = `pad-${Math.random().toString(36).slice(2)}`;
  const button = (name, attributes = {}) =>
    h("button", { type: "button", "data-action": name, ...attributes }, labels[name]);
  const box = h("input", { type: "checkbox", checked: center });
  const file = h("input", { type: "file", accept: "image/*", tabindex: -1, hidden: true });
  const nib = h("span", { class: "pad-nib", "aria-hidden": "true" }, h("span"));
  const [thinner, thicker] = [button("thinner"), button("thicker")];
  const white = button("white", { "aria-pressed": "false" });
  const [undo, reset, upload] = [button("undo"), button("reset"), button("upload")];
  const canvas = h("canvas", {
    class: "pad-paper", width: 2 * SIDE, height: 2 * SIDE, tabindex: 0,
    role: "application", "aria-label": labels.draw, "aria-describedby": `${id}-keys`,
  });
  const cursor = h("div", { class: "pad-cursor", "aria-hidden": "true" });
  const pen = h("span", { role: "status", class: "pad-pen" });
  const seen = h("canvas", {
    class: "pad-seen", width: SEEN, height: SEEN, role: "img", "aria-label": labels.seen,
  });
  const table = createTable(labels);
  const status = h("p", { class: "pad-status", role: "status" });
  const took = h("span", { class: "pad-took" });
  const alert = h("p", { class: "pad-alert", role: "alert" });
  const thumbnails = Array.from({ length: samples.length / SEEN ** 2 }, (_, i) => {
    const ink = samples.subarray(i * SEEN ** 2, (i + 1) * SEEN ** 2);
    const label = fill(labels.sample, { n: i + 1 });
    const thumbnail = h("button", { type: "button", "aria-label": label, title: label },
      picture(ink));
    thumbnail.addEventListener("click", () => act(() => paper.load(ink)));
    return thumbnail;
  });
  const root = h("div", { class: "drawing-pad", lang: labels.lang },
    h("div", { class: "pad-tools", role: "group", "aria-label": labels.tools },
      thinner, nib, thicker, white, undo, reset),
    h("div", { class: "pad-tools" },
      h("label", { class: "pad-option" }, box, labels.preprocessing), upload, file),
    h("div", { class: "pad-panels" },
      h("div", { class: "pad-sheet" }, h("p", { class: "pad-caption" }, labels.paper),
        h("div", { class: "pad-stage" }, canvas, cursor),
        h("p", { class: "pad-hint pad-mouse" }, labels.hint),
        h("p", { class: "pad-hint pad-keys", id: `${id}-keys` }, labels.keys, " ", pen)),
      h("figure", { class: "pad-figure" }, h("figcaption", {}, labels.seen), seen, status, took),
      table.element),
    alert,
    h("div", { class: "pad-samples", role: "group", "aria-label": labels.samples, hidden: !thumbnails.length },
      h("span", {}, labels.samples), ...thumbnails));
  el.replaceChildren(root);

  const paper = createPaper(canvas, acts);
  let drawing = false; // is the pen down, by pointer or key
  let place = [SIDE / 2, SIDE / 2]; // of the keyboard's cursor
  const held = new Set(); // arrow keys that are down

  // ---- Questions to the network -------------------------------------------------
  let asked = null; // {time} of the question under way
  let again = false; // has the drawing changed since?
  let last = -Infinity;
  let timer = null;

  function show({ seen: pixels, probabilities, error }) {
    seen.getContext("2d").drawImage(picture(pixels, true), 0, 0);
    table.show(probabilities);
    alert.textContent = error;
    status.textContent = error ? "" : sentence(probabilities, labels);
  }

  function schedule() {
    // Busy: a screen reader is to hear the answer to the finished stroke only.
    status.setAttribute("aria-busy", String(drawing));
    undo.disabled = !paper.canUndo();
    again = true;
    const now = performance.now();
    if (asked && now - asked.time < LOST) return;
    clearTimeout(timer);
    const wait = drawing ? Math.max(0, last + PERIOD - now) : 0;
    timer = setTimeout(question, wait);
  }

  async function question() {
    const mine = { time: performance.now() };
    [asked, again, last] = [mine, false, mine.time];
    const ink = paper.read();
    if (!ink.some(Boolean)) show(NOTHING);
    const waiting = setTimeout(() => { status.textContent = labels.waiting; }, PATIENCE);
    const answer = await ask({ drawing: ink, center: box.checked })
      .catch((error) => ({ ...NOTHING, error: String(error) }));
    clearTimeout(waiting);
    if (asked !== mine) return; // given up for lost, and asked again since
    asked = null;
    const ms = answer.ms?.toFixed(1) ?? Math.round(performance.now() - mine.time);
    // An empty sheet is no question: it gets no answer, and no time.
    took.textContent = answer.probabilities.length ? fill(labels.took, { ms }) : "";
    show(answer);
    if (again) schedule();
  }

  // ---- The pen ------------------------------------------------------------------
  const isWhite = () => white.getAttribute("aria-pressed") === "true";

  function choose(size, whitePen) {
    nibSize = Math.max(0, Math.min(WIDTHS.length - 1, size));
    white.setAttribute("aria-pressed", String(whitePen));
    thinner.disabled = nibSize === 0;
    thicker.disabled = nibSize === WIDTHS.length - 1;
    root.style.setProperty("--pad-nib", WIDTHS[nibSize] / SIDE);
    nib.classList.toggle("pad-white", whitePen);
  }

  function lower(point) {
    drawing = true;
    paper.begin(point, isWhite(), WIDTHS[nibSize]);
    root.classList.add("pad-down");
    schedule();
  }

  function lift() {
    if (!drawing) return;
    drawing = false;
    root.classList.remove("pad-down");
    schedule();
  }

  /** Do something that is no stroke: the pen is lifted first. */
  function act(doing) {
    lift();
    alert.textContent = "";
    doing();
    schedule();
  }

  function position(event) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [(event.clientX - left) * SIDE / width, (event.clientY - top) * SIDE / height];
  }

  let pointer = null; // the one that draws; a second finger does not
  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    lift(); // a stroke begun by key
    pointer = event.pointerId;
    byKey(false);
    canvas.setPointerCapture(pointer);
    lower(position(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    paper.extend((events.length ? events : [event]).map(position));
    schedule();
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(name, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      lift();
    });
  }

  // ---- The keyboard -------------------------------------------------------------
  function moveCursor() {
    cursor.style.left = `${100 * place[0] / SIDE}%`;
    cursor.style.top = `${100 * place[1] / SIDE}%`;
  }

  function tellPen() {
    const [column, row] = place.map((p) => Math.min(SEEN - 1, Math.floor(p * SEEN / SIDE)));
    pen.textContent = fill(drawing ? labels.pen_down : labels.pen_up, { row, column });
  }

  /** Show the cursor and the keys to one who uses them. */
  const byKey = (yes) => root.classList.toggle("pad-by-key", yes);

  const back = () => act(() => paper.undo());
  const clear = () => act(() => paper.add({ clears: true }));
  const shortcuts = {
    " ": () => {
      if (drawing) lift();
      else lower(place);
      tellPen();
    },
    Escape: () => { lift(); tellPen(); },
    Delete: clear,
    Backspace: clear,
  };
  /** Do what the key means on the paper; false if it means nothing there. */
  function onPaper({ key, ctrlKey, metaKey, altKey, shiftKey, repeat }) {
    if (ctrlKey || metaKey || altKey) {
      if (key.toLowerCase() !== "z" || altKey) return false;
      if (paper.canUndo()) back();
    } else if (key in ARROWS) {
      held.add(key);
      const moves = [...held].map((name) => ARROWS[name]);
      const step = shiftKey ? 2 : 10;
      place = place.map((p, axis) =>
        Math.max(0, Math.min(SIDE, p + step * moves.reduce((sum, m) => sum + m[axis], 0))));
      moveCursor();
      if (drawing) {
        paper.extend([place]);
        schedule();
      }
    } else if (key in shortcuts) {
      if (!repeat) shortcuts[key]();
    } else {
      return false;
    }
    byKey(true);
    return true;
  }

  // Notebooks listen for keys on the document, before any element of ours (Enter edits a
  // cell, D D deletes it): only the window comes earlier. They get what is not for us,
  // such as Ctrl+S and Shift+Enter.
  function onKey(event) {
    const path = event.composedPath();
    if (!path.includes(root) || pointer !== null) return;
    const used = path[0] === canvas && onPaper(event);
    if (used) event.preventDefault();
    const theirs = event.ctrlKey || event.metaKey || (event.shiftKey && event.key === "Enter");
    if (used || !theirs) event.stopImmediatePropagation();
  }
  window.addEventListener("keydown", onKey, true);
  canvas.addEventListener("keyup", (event) => held.delete(event.key));
  canvas.addEventListener("focus", () => {
    tellPen();
    byKey(canvas.matches(":focus-visible"));
  });
  canvas.addEventListener("blur", () => {
    held.clear();
    byKey(false);
    if (pointer === null) lift();
  });

  // ---- The buttons --------------------------------------------------------------
  thinner.addEventListener("click", () => choose(nibSize - 1, false));
  thicker.addEventListener("click", () => choose(nibSize + 1, false));
  white.addEventListener("click", () => choose(nibSize, !isWhite()));
  undo.addEventListener("click", back);
  reset.addEventListener("click", clear);
  box.addEventListener("change", () => act(() => {}));
  upload.addEventListener("click", () => file.click());
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
      const ink = await readImage(chosen, labels);
      act(() => paper.load(ink));
    } catch (wrong) {
      if (typeof wrong !== "string") throw wrong;
      alert.textContent = wrong;
      alert.scrollIntoView({ block: "nearest" }); // on a phone it is far below the button
    }
    file.value = ""; // the same file may be chosen again
  });

  choose(nibSize, whitePen);
  moveCursor();
  show(NOTHING);
  undo.disabled = true;
  if (paper.canUndo()) schedule();
  return {
    show,
    example: (ink) => { paper.load(ink, true); undo.disabled = true; },
    restart: (ink) => { paper.restart(ink); undo.disabled = true; },
    destroy() {
      clearTimeout(timer);
      window.removeEventListener("keydown", onKey, true);
      root.remove();
      return { center: box.checked, acts: paper.acts(), nibSize, whitePen: isWhite() };
    },
  };
}

/** What Python sends as bytes arrives as a DataView. */
const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** The pad in a notebook: questions and answers travel by the traits of the model. */
function render({ model, el }) {
  let resolve = null; // answers our question under way
  let mine = false; // is it this view that is setting the drawing?
  const answer = () => {
    const { seen, ...rest } = model.get("answer");
    return { ...rest, seen: bytes(seen) };
  };
  const pad = createPad(el, {
    labels: model.get("labels"),
    samples: bytes(model.get("samples")),
    center: model.get("center"),
    ask({ drawing, center }) {
      mine = true;
      model.set("drawing", new DataView(drawing.buffer));
      model.set("center", center);
      model.set("request", model.get("request") + 1);
      mine = false;
      model.save_changes();
      return new Promise((settle) => { resolve = settle; });
    },
  });
  function onAnswer() {
    if (resolve && model.get("answer").request === model.get("request")) {
      resolve(answer());
      resolve = null;
    } else if (!resolve) {
      pad.show(answer()); // another view of the same pad asked
    }
  }
  function onDrawing() {
    if (!mine) pad.restart(bytes(model.get("drawing")));
  }
  const drawing = bytes(model.get("drawing"));
  if (model.get("request") === 0 && drawing.length) pad.example(drawing);
  else if (drawing.length) pad.restart(drawing);
  pad.show(answer());
  model.on("change:answer", onAnswer);
  model.on("change:drawing", onDrawing);
  return () => {
    model.off("change:answer", onAnswer);
    model.off("change:drawing", onDrawing);
    pad.destroy();
  };
}

export default { render };

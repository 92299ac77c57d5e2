/*
 * A photo of one's own hand, from the camera or a file, and what the network reads.
 *
 * createPhotoInput() knows nothing of Jupyter: it gets an `ask` function and serves any
 * page. render(), at the end, ties it to the Python model by anywidget.
 */

const SEEN = 28; // side of what the network sees
const LONGEST = 400; // longer side of a photo in here, in pixels; the rest is not needed
const SHOWN = 3; // classes in the table, as in photo_input.py
const STEP = 10; // pixels that a key moves the square
const GROW = 8; // pixels that a key adds to its side
const PERIOD = 100; // ms between two questions while the picture changes
const PATIENCE = 1500; // ms without an answer before we say that we are waiting
const LOST = 10000; // ms after which a question counts as lost
const MEGABYTES = 20; // largest file to upload: telephones make large ones
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CORNERS = { nw: [-1, -1], ne: [1, -1], sw: [-1, 1], se: [1, 1] };
const REFUSALS = {
  NotAllowedError: "camera_denied",
  SecurityError: "camera_denied",
  NotFoundError: "camera_missing",
  OverconstrainedError: "camera_missing",
};
const NOTHING = { seen: new Uint8Array(SEEN * SEEN), probabilities: [], error: "" };

/** An element with its attributes and children; a true attribute is set, a false left. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** The sentence with its {names} filled in. */
function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const percent = (p) => `${(100 * p).toFixed(1)}%`;

/** A canvas that holds a 28 x 28 picture, 255 = white. */
function picture(grey) {
  const canvas = h("canvas", { width: SEEN, height: SEEN });
  const context = canvas.getContext("2d");
  const image = context.createImageData(SEEN, SEEN);
  grey.forEach((level, i) => image.data.set([level, level, level, 255], 4 * i));
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A picture file as a bitmap; throws the sentence that says what is wrong with it. */
async function readImage(file, labels) {
  if (file.size > MEGABYTES * 2 ** 20) {
    const size = (file.size / 2 ** 20).toFixed(1);
    throw fill(labels.too_large, { size, limit: MEGABYTES });
  }
  try {
    return await createImageBitmap(file); // turned upright as its camera noted
  } catch {
    throw fill(labels.not_image, { name: file.name });
  }
}

/** The picture on the stage: painted from photos, mirrored where asked for. */
function createPhoto(canvas) {
  const shown = canvas.getContext("2d", { willReadFrequently: true });
  const kept = h("canvas").getContext("2d"); // as the camera gave it
  let mirrored = false;

  function paint() {
    const { width, height } = kept.canvas;
    [canvas.width, canvas.height] = [width, height];
    if (mirrored) shown.setTransform(-1, 0, 0, 1, width, 0);
    shown.drawImage(kept.canvas, 0, 0);
  }
  return {
    /** Take this image, bitmap, video or canvas, of that size. */
    take(source, width, height) {
      const scale = Math.min(1, LONGEST / Math.max(width, height));
      const size = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
      [kept.canvas.width, kept.canvas.height] = size;
      kept.fillStyle = "white"; // under transparent pictures
      kept.fillRect(0, 0, ...size);
      kept.imageSmoothingQuality = "high";
      kept.drawImage(source, 0, 0, ...size);
      paint();
    },
    mirror(yes) {
      mirrored = yes;
      paint();
    },
    size: () => [kept.canvas.width, kept.canvas.height],
    /** Red, green and blue bytes of a square. */
    read({ left, top, side }) {
      const { data } = shown.getImageData(left, top, side, side);
      const rgb = new Uint8Array(3 * side * side);
      for (let i = 0, j = 0; i < data.length; i += 4) {
        rgb[j++] = data[i];
        rgb[j++] = data[i + 1];
        rgb[j++] = data[i + 2];
      }
      return rgb;
    },
  };
}

/**
 * The camera. onFrame(video) is called for each picture while it is open, onEnd() when
 * it is unplugged. open() throws the key of the label that says why there is no camera.
 */
function createCamera(onFrame, onEnd) {
  let stream = null;
  let wanted = false; // it may be closed while the browser still asks for permission
  const video = h("video", { playsinline: true });
  video.muted = true;

  function close() {
    wanted = false;
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
  }
  async function open() {
    const devices = navigator.mediaDevices; // not there in a page that is not secure
    if (!devices?.getUserMedia) throw "camera_insecure";
    wanted = true;
    try {
      const size = { width: { ideal: 640 }, height: { ideal: 480 } };
      const found = await devices.getUserMedia({ video: { facingMode: "user", ...size } });
      stream = found;
      if (!wanted) return close();
      found.getVideoTracks()[0].addEventListener("ended", () => {
        if (stream === found) onEnd();
      });
      video.srcObject = found;
      await video.play();
    } catch (error) {
      const closed = !wanted;
      close();
      if (closed) return;
      throw REFUSALS[error.name] ?? "camera_busy";
    }
    requestAnimationFrame(frame);
  }
  function frame() {
    if (!stream) return;
    if (video.videoWidth) onFrame(video);
    requestAnimationFrame(frame);
  }
  return { open, close, isOpen: () => stream !== null };
}

/** The most probable classes, the best first: name, bar, probability. */
function createTable(labels, classes) {
  const rows = Array.from({ length: Math.min(SHOWN, classes.length) }, () => {
    const name = h("th", { scope: "row" });
    const bar = h("div", { class: "photo-bar" });
    const value = h("td", { class: "photo-value" });
    const row = h("tr", {}, name, h("td", { class: "photo-track", "aria-hidden": "true" }, bar), value);
    return { row, name, bar, value };
  });
  const head = h("tr", {}, h("th", { scope: "col" }, labels.class),
    h("td", { "aria-hidden": "true" }), h("th", { scope: "col" }, labels.probability));
  const element = h("table", { class: "photo-table" }, h("caption", {}, labels.probabilities),
    h("thead", {}, head), h("tbody", {}, ...rows.map(({ row }) => row)));
  function show(probabilities) {
    const best = ranked(probabilities);
    rows.forEach(({ name, bar, value }, i) => {
      const p = probabilities[best[i]];
      name.textContent = classes[best[i]] ?? "–";
      bar.style.width = `${100 * (p ?? 0)}%`;
      value.textContent = p === undefined ? "–" : percent(p);
    });
  }
  return { element, show };
}

/** The places of the probabilities, the largest first. */
function ranked(probabilities) {
  return [...probabilities.keys()].sort((i, j) => probabilities[j] - probabilities[i]);
}

/** The answer in a sentence; two classes where none has half of the probability. */
function sentence(probabilities, classes, labels) {
  const [first, second] = ranked(probabilities);
  const [p, q] = [first, second].map((i) => percent(probabilities[i]));
  const form = probabilities[first] < 0.5 ? labels.hesitates : labels.reads;
  return fill(form, { first: classes[first], p, second: classes[second], q });
}

/**
 * Build the camera inside `el`.
 *
 * labels: the words, see _labels() in photo_input.py. classes: names, K of them.
 * samples: bytes of n pictures of 28 x 28, 255 = white; the first is shown with `answer`.
 * ask: ({pixels: red, green, blue bytes, side}) -> promise of
 *   {seen: 784 bytes, probabilities: K numbers or none, error: sentence or ""}.
 *   One question at a time: while one is under way only the newest picture waits.
 * Returns {destroy()}.
 */
export function createPhotoInput(el, { labels, classes, samples, answer = NOTHING, ask }) {
  const id = `photo-${Math.random().toString(36).slice(2)}`;
  const button = (name) => h("button", { type: "button", "data-action": name }, labels[name]);
  const [open, snapshot, close, upload] = ["camera", "snapshot", "close", "upload"].map(button);
  const mirror = h("input", { type: "checkbox" });
  const file = h("input", { type: "file", accept: "image/*", tabindex: -1, hidden: true });
  const canvas = h("canvas", { class: "photo-canvas", role: "img", "aria-label": labels.photo });
  const square = h("div", {
    class: "photo-square", tabindex: 0, role: "application",
    "aria-label": labels.square, "aria-describedby": `${id}-keys`,
  }, ...Object.keys(CORNERS).map((corner) => h("span", { "data-corner": corner })));
  const place = h("span", { role: "status", class: "photo-place" });
  // Focusable by a click, or the browser would paste elsewhere.
  const stage = h("div", { class: "photo-stage", tabindex: -1 },
    h("p", { class: "photo-empty" }, labels.empty_stage), canvas, square);
  const seen = h("canvas", {
    class: "photo-seen", width: SEEN, height: SEEN, role: "img", "aria-label": labels.seen,
  });
  const table = createTable(labels, classes);
  const status = h("p", { class: "photo-status", role: "status" });
  const alert = h("p", { class: "photo-alert", role: "alert" });
  const thumbnails = Array.from({ length: samples.length / SEEN ** 2 }, (_, i) => {
    const sample = picture(samples.subarray(i * SEEN ** 2, (i + 1) * SEEN ** 2));
    const label = fill(labels.sample, { n: i + 1 });
    const thumbnail = h("button", { type: "button", "aria-label": label, title: label }, sample);
    thumbnail.addEventListener("click", () => still(sample, SEEN, SEEN));
    return { thumbnail, sample };
  });
  const root = h("div", { class: "photo-input", lang: labels.lang },
    h("div", { class: "photo-tools", role: "group", "aria-label": labels.tools },
      open, snapshot, close, upload, file,
      h("label", { class: "photo-option" }, mirror, labels.mirror)),
    h("div", { class: "photo-panels" },
      h("div", { class: "photo-sheet" }, h("p", { class: "photo-caption" }, labels.photo), stage,
        h("p", { class: "photo-hint photo-mouse" }, labels.hint),
        h("p", { class: "photo-hint photo-keys", id: `${id}-keys` }, labels.keys, " ", place)),
      h("div", { class: "photo-answer" },
        h("figure", { class: "photo-figure" }, h("figcaption", {}, labels.seen), seen),
        h("div", { class: "photo-reading" }, table.element, status))),
    alert,
    h("div", { class: "photo-samples", role: "group", "aria-label": labels.samples, hidden: !thumbnails.length },
      h("span", {}, labels.samples), ...thumbnails.map(({ thumbnail }) => thumbnail)),
    h("p", { class: "photo-private" }, labels.private));
  el.replaceChildren(root);

  const photo = createPhoto(canvas);
  let box = null; // {left, top, side} in pixels of the photo; null before the first one
  let moving = null; // (x, y) -> the box, while a pointer is down

  // ---- Questions to the network -------------------------------------------------
  let asked = null; // {time} of the question under way
  let again = false; // has the picture changed since?
  let last = -Infinity;
  let timer = null;
  let trouble = ""; // with the camera or a file; stays until the next act

  function complain(reason) {
    trouble = alert.textContent = reason;
  }

  function show({ seen: pixels, probabilities, error }) {
    seen.getContext("2d").drawImage(picture(pixels), 0, 0);
    table.show(probabilities);
    alert.textContent = error || trouble;
    if (error) status.textContent = "";
    else if (probabilities.length) status.textContent = sentence(probabilities, classes, labels);
    else status.textContent = box ? labels.flat : labels.empty;
  }

  function schedule() {
    // Busy: a screen reader is to hear the answer to the finished picture only.
    const changing = camera.isOpen() || moving !== null;
    status.setAttribute("aria-busy", String(changing));
    again = true;
    const now = performance.now();
    if (asked && now - asked.time < LOST) return;
    clearTimeout(timer);
    timer = setTimeout(question, changing ? Math.max(0, last + PERIOD - now) : 0);
  }

  async function question() {
    const mine = { time: performance.now() };
    [asked, again, last] = [mine, false, mine.time];
    const waiting = setTimeout(() => { status.textContent = labels.waiting; }, PATIENCE);
    const reply = await ask({ pixels: photo.read(box), side: box.side })
      .catch((error) => ({ ...NOTHING, error: String(error) }));
    clearTimeout(waiting);
    if (asked !== mine) return; // given up for lost, and asked again since
    asked = null;
    show(reply);
    if (again) schedule();
  }

  // ---- The photo and the square in it --------------------------------------------
  function setBox({ left, top, side }) {
    const [width, height] = photo.size();
    const room = Math.min(width, height);
    side = clamp(Math.round(side), Math.min(SEEN, room), room);
    left = clamp(Math.round(left), 0, width - side);
    top = clamp(Math.round(top), 0, height - side);
    box = { left, top, side };
    complain("");
    square.style.left = `${100 * left / width}%`;
    square.style.top = `${100 * top / height}%`;
    square.style.width = `${100 * side / width}%`;
    schedule();
  }

  /** A square in the middle, its side a part of the photo's shorter side. */
  function centerBox(part = 1) {
    const [width, height] = photo.size();
    const side = Math.round(part * Math.min(width, height));
    setBox({ left: (width - side) / 2, top: (height - side) / 2, side });
  }

  /** Show a photo; the square stays where it is if the photo has the size of the last. */
  function take(source, width, height) {
    const before = String(photo.size());
    photo.take(source, width, height);
    const same = root.classList.contains("photo-there") && String(photo.size()) === before;
    root.classList.add("photo-there");
    root.classList.toggle("photo-small", Math.max(width, height) <= SEEN);
    const [w, h] = photo.size();
    stage.style.setProperty("--photo-ratio", w / h);
    return same;
  }

  /** Show a photo that does not move. */
  function still(source, width, height) {
    stop();
    take(source, width, height);
    centerBox();
  }

  // ---- The camera ----------------------------------------------------------------
  const camera = createCamera(
    (video) => {
      // Taken out of the page by the notebook: nobody can see that it is still open.
      if (!root.isConnected) return stop();
      if (take(video, video.videoWidth, video.videoHeight)) schedule();
      else centerBox(0.8); // a hand held out needs less than the whole height
    },
    () => {
      stop();
      complain(labels.camera_lost);
    },
  );

  /** Which buttons there are: those of an open camera, or those of a closed one. */
  function showButtons() {
    open.hidden = camera.isOpen();
    snapshot.hidden = close.hidden = !camera.isOpen();
    root.classList.toggle("photo-live", camera.isOpen());
  }

  function stop() {
    const [wasOpen, focused] = [camera.isOpen(), document.activeElement];
    camera.close(); // also where the browser still asks for permission
    showButtons();
    if ([snapshot, close].includes(focused)) open.focus();
    if (wasOpen && box) schedule(); // no longer busy: the last picture's own answer
  }

  open.addEventListener("click", async () => {
    complain("");
    open.disabled = true; // while the browser asks
    try {
      await camera.open();
      showButtons();
      if (camera.isOpen()) snapshot.focus();
    } catch (reason) {
      if (typeof reason !== "string") throw reason;
      complain(labels[reason]);
    } finally {
      open.disabled = false;
    }
  });
  snapshot.addEventListener("click", stop); // the last picture stays
  close.addEventListener("click", stop);

  mirror.addEventListener("change", () => {
    photo.mirror(mirror.checked);
    if (box) setBox({ ...box, left: photo.size()[0] - box.left - box.side });
  });

  // ---- Files: chosen, dropped, pasted ----------------------------------------------
  async function load(chosen) {
    try {
      const bitmap = await readImage(chosen, labels);
      still(bitmap, bitmap.width, bitmap.height);
      bitmap.close();
    } catch (wrong) {
      if (typeof wrong !== "string") throw wrong;
      complain(wrong);
    }
  }

  upload.addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    if (chosen) load(chosen);
    file.value = ""; // the same file may be chosen again
  });
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    root.addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // or the browser opens the file instead of the notebook
      event.stopPropagation();
      const leaves = name === "dragleave" && !root.contains(event.relatedTarget);
      root.classList.toggle("photo-over", name !== "drop" && !leaves);
      if (name === "drop" && event.dataTransfer.files.length) load(event.dataTransfer.files[0]);
    });
  }
  root.addEventListener("paste", (event) => {
    const [pasted] = event.clipboardData.files;
    if (!pasted) return;
    event.preventDefault();
    event.stopPropagation();
    load(pasted);
  });

  // ---- The square by pointer -----------------------------------------------------
  function position(event) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [w, h] = photo.size();
    return [(event.clientX - left) * w / width, (event.clientY - top) * h / height];
  }

  /** How the box follows a pointer that took hold of it at (x, y), or of a corner. */
  function hold(corner, x, y) {
    const { left, top, side } = box;
    if (!corner) return (px, py) => ({ left: left + px - x, top: top + py - y, side });
    const [right, down] = CORNERS[corner];
    const [width, height] = photo.size();
    // The corner opposite stays, and the square ends at the photo's edge.
    const [ax, ay] = [right > 0 ? left : left + side, down > 0 ? top : top + side];
    const room = Math.min(right > 0 ? width - ax : ax, down > 0 ? height - ay : ay);
    const shortest = Math.min(SEEN, width, height);
    return (px, py) => {
      const now = clamp(Math.round(Math.max((px - ax) * right, (py - ay) * down)), shortest, room);
      return { left: right > 0 ? ax : ax - now, top: down > 0 ? ay : ay - now, side: now };
    };
  }

  let pointer = null; // the one that moves the square; a second finger does not
  stage.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0 || !box) return;
    pointer = event.pointerId;
    stage.setPointerCapture(pointer);
    byKey(false);
    const [x, y] = position(event);
    const { corner } = event.target.dataset;
    if (!square.contains(event.target)) {
      setBox({ left: x - box.side / 2, top: y - box.side / 2, side: box.side });
    }
    moving = hold(corner, x, y);
  });
  stage.addEventListener("pointermove", (event) => {
    if (event.pointerId === pointer) setBox(moving(...position(event)));
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    stage.addEventListener(name, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = moving = null;
      schedule();
    });
  }

  // ---- The square by keyboard ----------------------------------------------------
  const tellPlace = () => { place.textContent = box ? fill(labels.place, box) : ""; };

  /** Show the keys to one who uses them. */
  const byKey = (yes) => root.classList.toggle("photo-by-key", yes);

  /** Do what the key means on the square; false if it means nothing there. */
  function onSquare({ key, ctrlKey, metaKey, altKey, shiftKey }) {
    if (!box || ctrlKey || metaKey || altKey) return false;
    const { left, top, side } = box;
    if (key in ARROWS) {
      const [right, down] = ARROWS[key].map((way) => way * (shiftKey ? 1 : STEP));
      setBox({ left: left + right, top: top + down, side });
    } else if ("+=-_−".includes(key)) {
      const more = "+=".includes(key) ? GROW : -GROW;
      setBox({ left: left - more / 2, top: top - more / 2, side: side + more });
    } else {
      return false;
    }
    tellPlace();
    byKey(true);
    return true;
  }

  // Notebooks listen for keys on the document, before any element of ours (Enter edits a
  // cell, D D deletes it): only the window comes earlier. They get what is not for us,
  // such as Ctrl+S and Shift+Enter; to paste is for us.
  function onKey(event) {
    const path = event.composedPath();
    if (!path.includes(root)) return;
    const used = path[0] === square && onSquare(event);
    if (used) event.preventDefault();
    const command = event.ctrlKey || event.metaKey;
    const pastes = command && event.key.toLowerCase() === "v";
    const theirs = (command && !pastes) || (event.shiftKey && event.key === "Enter");
    if (used || !theirs) event.stopImmediatePropagation();
  }
  window.addEventListener("keydown", onKey, true);
  square.addEventListener("focus", () => {
    tellPlace();
    byKey(square.matches(":focus-visible"));
  });
  square.addEventListener("blur", () => byKey(false));

  showButtons();
  if (thumbnails.length) {
    // Its answer is known: nothing to ask, and it shows where there is no kernel.
    take(thumbnails[0].sample, SEEN, SEEN);
    centerBox();
    clearTimeout(timer);
  }
  show(answer);
  return {
    destroy() {
      clearTimeout(timer);
      camera.close();
      window.removeEventListener("keydown", onKey, true);
      root.remove();
    },
  };
}

/** What Python sends as bytes arrives as a DataView. */
const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** The camera in a notebook: questions and answers are messages, which nobody saves. */
function render({ model, el }) {
  const view = Math.random().toString(36).slice(2); // of several of the same widget
  let request = 0;
  let resolve = null; // answers our question under way
  const { seen, ...rest } = model.get("answer");
  const input = createPhotoInput(el, {
    labels: model.get("labels"),
    classes: model.get("classes"),
    samples: bytes(model.get("samples")),
    answer: { ...rest, seen: bytes(seen) },
    ask({ pixels, side }) {
      request += 1;
      model.send({ view, request, side }, undefined, [pixels.buffer]);
      return new Promise((settle) => { resolve = settle; });
    },
  });
  function onAnswer(message, buffers) {
    if (message.view !== view || message.request !== request) return;
    resolve?.({ ...message, seen: bytes(buffers[0]) });
    resolve = null;
  }
  model.on("msg:custom", onAnswer);
  return () => {
    model.off("msg:custom", onAnswer);
    input.destroy();
  };
}

export default { render };

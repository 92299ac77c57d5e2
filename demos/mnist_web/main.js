/* The page: the course's drawing pad, the network behind it, and the words around it. */

import { createPad, fill, h, picture } from "./drawing_pad.js";
import { createMaps } from "./feature_maps.js";
import { Failure, load, loadNetwork } from "./network.js";
import { preprocess } from "./preprocess.js";

const REMEMBERED = 100; // predictions over which the median time is taken
const NAMES = { es: "Español", en: "English" };

const $ = (id) => document.getElementById(id);
const json = async (name) => JSON.parse(new TextDecoder().decode(await load(name)));

const words = await json("words.json");
const network = loadNetwork();
network.catch(() => {}); // awaited, and told, further down
const maps = createMaps();
const times = [];
let info = null; // digits.json: what the network is
let ready = false; // does the network run?
let failure = null;
let pad = null;
let drawing = null; // the newest, 140 x 140 bytes
let lang;

// ---- Questions of the pad -------------------------------------------------------------

async function ask({ drawing: ink, center }) {
  const predict = await network;
  drawing = ink;
  const empty = !ink.some(Boolean);
  $("save").disabled = empty;
  if (empty) {
    maps.clear();
    return { seen: new Uint8Array(784), probabilities: [], error: "" };
  }
  const start = performance.now();
  const seen = preprocess(ink, center);
  const { probabilities, features, shape } = await predict(seen);
  const ms = performance.now() - start;
  times.push(ms);
  if (times.length > REMEMBERED) times.shift();
  if (features) maps.show(features, shape);
  tellAbout();
  return { seen, probabilities, ms, error: "" };
}

/** The drawing as a PNG, black on white, of the very pixels that were read. */
function save() {
  picture(drawing).toBlob((blob) => {
    const link = h("a", { href: URL.createObjectURL(blob), download: "digit.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

// ---- Words ----------------------------------------------------------------------------

const say = (key, values = {}) => fill(words[lang][key], values);
const number = (value, options) => value.toLocaleString(lang === "es" ? "es-MX" : "en", options);

function median() {
  const sorted = times.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Under the pad: that the network is still coming, or what the button gives. */
function tellReady() {
  $("note").textContent = ready ? say("save_note") : say("loading");
}

function howWell({ accuracy, tested }) {
  if (accuracy === null) return say("not_measured");
  const percent = number(accuracy, { style: "percent", minimumFractionDigits: 1 });
  return tested ? say("measured", { accuracy: percent, tested: number(tested) }) : percent;
}

/** What the network is, how well it reads, and how fast. */
function tellAbout() {
  const time = times.length
    ? say("times", { ms: median().toFixed(1), n: times.length })
    : say("no_times");
  const facts = {
    data: info.source[lang],
    parameters: number(info.parameters),
    accuracy: howWell(info),
    created: info.created,
    time,
  };
  const known = Object.entries(facts).filter(([, value]) => value);
  $("about").replaceChildren(...known.flatMap(([key, value]) =>
    [h("dt", {}, say(key)), h("dd", { id: `about-${key}` }, value)]));
}

/** Say everything in this language; the drawing stays, with all that can be undone. */
function speak(chosen) {
  lang = chosen;
  document.documentElement.lang = lang;
  document.title = say("title");
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word);
  }
  $("languages").setAttribute("aria-label", say("languages"));
  for (const button of $("languages").children) {
    button.setAttribute("aria-pressed", String(button.lang === lang));
  }
  if (failure) {
    $("failure").textContent = say(failure.key, failure.values);
  } else {
    const labels = { ...words[lang], lang, waiting: say("loading") };
    pad = createPad($("pad"), { labels, ask, ...pad?.destroy() });
    maps.translate(words[lang]);
    tellReady();
    tellAbout();
  }
}

/** The network does not run: one sentence takes the place of all that needs it. */
function fail(error) {
  failure = error instanceof Failure ? error : new Failure("broken", { reason: error.message });
  pad?.destroy();
  for (const section of document.querySelectorAll("main section")) section.hidden = true;
  speak(lang);
}

function choose(chosen) {
  history.replaceState(null, "", `?lang=${chosen}`); // the address tells the language too
  speak(chosen);
}

// ---- Start ----------------------------------------------------------------------------

for (const [code, name] of Object.entries(NAMES)) {
  const button = h("button", { type: "button", lang: code }, name);
  button.addEventListener("click", () => choose(code));
  $("languages").append(button);
}
$("save").addEventListener("click", save);
$("maps").append(maps.element);
const asked = new URLSearchParams(location.search).get("lang");
const chosen = Object.hasOwn(NAMES, asked) ? asked : null;
lang = chosen ?? document.documentElement.lang;
$("not-started").remove();
$("page").hidden = false;
try {
  info = await json("digits.json");
  maps.translate(words[lang]);
  $("maps").hidden = !info.features.length;
  if (info.features.length) maps.build(info.features);
  speak(chosen ?? info.lang);
  await network;
  ready = true;
  tellReady();
} catch (error) {
  fail(error);
}

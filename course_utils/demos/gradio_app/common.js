/*
 * Puts a widget of the course into a gr.HTML component: the beginning of its js_on_load,
 * where Gradio gives `element`, `props` and `server`. pad.js or photo.js follows.
 */

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const text = (data) => btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));

/** What Python answers to a question; where nobody answers, the sentence that says so. */
async function answer(question) {
  let reply;
  try {
    reply = await server.answer(question);
  } catch {
    throw props.labels.lost;
  }
  if (reply?.seen === undefined) throw props.labels.lost;
  return { ...reply, seen: bytes(reply.seen) };
}

/** The widget's module, which comes with the page: nothing more is fetched for it. */
function module() {
  const file = new Blob([props.source], { type: "text/javascript" });
  return import(URL.createObjectURL(file));
}

const style = document.createElement("style");
style.textContent = props.style;
const place = document.createElement("div");
element.replaceChildren(style, place);

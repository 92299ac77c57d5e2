/* What the first block of the network makes of the drawing: one small map a filter. */

import { fill, h, picture } from "./drawing_pad.js";

/**
 * A figure with the maps; it grows as many squares as the network has filters.
 *
 * Returns {element, show(features, shape), clear(), translate(words)}; features as
 * network.js gives them, on one scale: the strongest point of all maps is white.
 */
export function createMaps() {
  const grid = h("div", { class: "maps", role: "img", "aria-describedby": "maps-caption" });
  const strongest = h("p", { class: "strongest" });
  const caption = h("figcaption", { id: "maps-caption" });
  const element = h("figure", {}, strongest, grid, caption);
  let [words, shape, best] = [null, null, -1];

  function speak() {
    const [count, height, width] = shape ?? [0, 0, 0];
    strongest.textContent = best < 0 ? words.maps_empty : fill(words.strongest, { n: best + 1 });
    caption.textContent = fill(words.maps_caption, { count, height, width });
    grid.setAttribute("aria-label", strongest.textContent);
  }

  /** As many squares as there are maps, all black. */
  function build(newShape) {
    shape = newShape;
    const [count, height, width] = shape;
    grid.replaceChildren(...Array.from({ length: count }, (_, i) =>
      h("div", { class: "map" }, h("canvas", { width, height }), h("span", {}, String(i + 1)))));
    clear();
  }

  function show(features, newShape) {
    if (String(newShape) !== String(shape)) build(newShape);
    const size = shape[1] * shape[2];
    const peak = Math.max(...features);
    best = peak > 0 ? Math.floor(features.indexOf(peak) / size) : -1;
    const levels = Uint8ClampedArray.from(features, (value) => (255 * value) / (peak || 1));
    [...grid.children].forEach((map, i) => {
      map.classList.toggle("best", i === best);
      const ink = levels.subarray(i * size, (i + 1) * size);
      map.firstChild.getContext("2d").drawImage(picture(ink, true), 0, 0);
    });
    speak();
  }

  function clear() {
    if (shape) show(new Float32Array(shape[0] * shape[1] * shape[2]), shape);
  }

  return {
    element,
    build,
    show,
    clear,
    translate(newWords) { words = newWords; speak(); },
  };
}

/*
 * From a drawing to the 28 x 28 pixels that the network sees, as the course's
 * course_utils/data/drawing.py does it: the same bytes come out, whatever the drawing.
 */

export const SIDE = 28; // of an MNIST image
const BOX = 20; // of the square that its digit fits in
const CENTER = 14; // row and column of its centre of mass
const FAINT = Math.fround(0.1); // of the strongest ink: weaker is grain, not a stroke

/**
 * Reduce a drawing to 28 x 28 pixels, by default the way MNIST was made.
 *
 * drawing: Uint8Array of a square, row by row, 0 = paper, 255 = ink.
 * center: true crops to the ink, fits it into 20 x 20 pixels and brings its centre of
 *   mass to the middle; false only reduces the whole sheet.
 * Returns Uint8Array(784); an empty drawing gives zeros.
 */
export function preprocess(drawing, center = true) {
  const n = Math.sqrt(drawing.length);
  const sheet = { ink: drawing, height: n, width: n };
  if (!center) return resize(sheet, SIDE, SIDE).ink;
  const cut = crop(sheet);
  const scale = BOX / Math.max(cut.height, cut.width);
  const [height, width] = [cut.height, cut.width].map((side) =>
    Math.max(1, roundHalfToEven(side * scale)));
  const digit = resize(cut, height, width);
  const [rows, columns] = [new Array(height).fill(0), new Array(width).fill(0)];
  digit.ink.forEach((level, i) => {
    rows[Math.floor(i / width)] += level;
    columns[i % width] += level;
  });
  const [top, left] = [offset(rows), offset(columns)];
  const seen = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < height; y++) {
    seen.set(digit.ink.subarray(y * width, (y + 1) * width), (top + y) * SIDE + left);
  }
  return seen;
}

/** Python and torch round halves to the even neighbour, Math.round upwards. */
function roundHalfToEven(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** The smallest rectangle that holds every stroke; the whole sheet where there is none. */
function crop({ ink, height, width }) {
  const [rows, columns] = [new Uint8Array(height), new Uint8Array(width)]; // strongest
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (ink[i] > rows[y]) rows[y] = ink[i];
      if (ink[i] > columns[x]) columns[x] = ink[i];
    }
  }
  const faint = Math.fround(FAINT * Math.max(...rows)); // float32, as torch has it
  const isInk = (level) => level > faint;
  const [top, left] = [rows.findIndex(isInk), columns.findIndex(isInk)];
  if (top < 0) return { ink, height, width };
  const [bottom, right] = [rows.findLastIndex(isInk), columns.findLastIndex(isInk)];
  const cut = { height: bottom - top + 1, width: right - left + 1 };
  cut.ink = new Uint8Array(cut.height * cut.width);
  for (let y = 0; y < cut.height; y++) {
    const start = (top + y) * width + left;
    cut.ink.set(ink.subarray(start, start + cut.width), y * cut.width);
  }
  return cut;
}

/**
 * Area average: each new pixel is the mean of the rectangle that it covers.
 *
 * With an old pixel `new` long and a new one `old` long, every overlap is a whole number
 * and so is every sum: one division at the end, and no rounding error before it.
 */
function resize({ ink, height, width }, newHeight, newWidth) {
  const squeezed = gather(ink, height, width, newHeight); // (newHeight, width)
  const turned = gather(transpose(squeezed, newHeight, width), width, newHeight, newWidth);
  const sums = transpose(turned, newWidth, newHeight);
  const mean = (sum) => roundHalfToEven(sum / (height * width));
  return { ink: Uint8Array.from(sums, mean), height: newHeight, width: newWidth };
}

/** The rows of (old, width) values added up in `count` groups, each by its overlaps. */
function gather(values, old, width, count) {
  const out = new Float64Array(count * width);
  for (let i = 0; i < count; i++) {
    for (let j = Math.floor((i * old) / count); j * count < (i + 1) * old; j++) {
      const overlap =
        Math.min((i + 1) * old, (j + 1) * count) - Math.max(i * old, j * count);
      for (let x = 0; x < width; x++) out[i * width + x] += overlap * values[j * width + x];
    }
  }
  return out;
}

function transpose(values, height, width) {
  const out = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    out[(i % width) * height + Math.floor(i / width)] = values[i];
  }
  return out;
}

/** Where to begin, 0 to 28 - n, so that the mass of a profile of n centres on 14. */
function offset(profile) {
  const room = SIDE - profile.length;
  const mass = profile.reduce((sum, level) => sum + level, 0);
  if (mass === 0) return Math.floor(room / 2);
  const moment = profile.reduce((sum, level, i) => sum + i * level, 0);
  const mean = Math.fround(moment / mass); // float32, as torch has it
  return Math.min(Math.max(roundHalfToEven(CENTER - mean), 0), room);
}

/* The learner's network, run by onnxruntime-web in this browser. */

import { SIDE } from "./preprocess.js";

const RUNTIME = "ort-wasm-simd-threaded.wasm";

/** Why the network does not run: `key` names the sentence, `values` fill it in. */
export class Failure extends Error {
  constructor(key, values = {}) {
    super(key);
    Object.assign(this, { key, values });
  }
}

/** The bytes of a file beside the page. Throws a Failure that names it. */
export async function load(name) {
  try {
    // "no-cache" asks the server whether the copy in the cache is still the newest.
    const response = await fetch(new URL(name, import.meta.url), { cache: "no-cache" });
    if (response.ok) return await response.arrayBuffer(); // which may break off half-way
  } catch {
    // no connection, or no longer
  }
  throw new Failure("missing", { file: name });
}

/**
 * Load digits.onnx and start it.
 *
 * Returns predict(seen): 784 bytes, 255 = ink, as preprocess() gives them -> promise of
 *   {probabilities: ten numbers, features: Float32Array, shape: [maps, height, width]};
 *   a network without convolutions has no features, and no shape.
 * Throws a Failure where WebAssembly is off, a file is missing, or it does not start.
 */
export async function loadNetwork() {
  if (typeof WebAssembly !== "object") throw new Failure("no_wasm");
  const [model, wasm] = await Promise.all([load("digits.onnx"), load(`ort/${RUNTIME}`)]);
  try {
    const ort = await import("./ort/ort.wasm.min.mjs");
    // One thread: several need headers that a plain static host does not send.
    Object.assign(ort.env.wasm, {
      numThreads: 1,
      wasmBinary: wasm,
      wasmPaths: new URL("ort/", import.meta.url).href,
    });
    const session = await ort.InferenceSession.create(new Uint8Array(model));
    const predict = (seen) => run(ort, session, seen);
    await predict(new Uint8Array(SIDE * SIDE)); // the first run is the slowest
    return predict;
  } catch (error) {
    throw new Failure("broken", { reason: String(error.message ?? error).split("\n")[0] });
  }
}

async function run(ort, session, seen) {
  const image = new ort.Tensor("float32", Float32Array.from(seen), [1, 1, SIDE, SIDE]);
  const { probabilities, features } = await session.run({ image });
  return {
    probabilities: [...probabilities.data],
    features: features?.data,
    shape: features?.dims.slice(1),
  };
}

/** A file on its way to the service by tus 1.0, in pieces: one that breaks off is gone on with from where it got to. */

import { Refusal, pause, pauseAfter } from "./service.js";

const FIRST_PIECE = 256 << 10;
const LARGEST_PIECE = 8 << 20;
const SWIFT_MS = 1_000;
const PIECE_MS = 120_000;
const MOST_FAILURES = 10;
const TUS = { "Tus-Resumable": "1.0.0" };
const OUT_OF_STEP = new Set(["offset_mismatch", "upload_busy"]);

/** Where each file is, so that whoever gives it again goes on. @type {WeakMap<Blob, string>} */
const places = new WeakMap();

/**
 * @typedef {object} UploadOptions
 * @property {(sent: number, total: number) => void} [onProgress] bytes
 * @property {AbortSignal} [signal] stops it; the same file given again goes on
 * @property {string} [name] of what is no File
 */

/**
 * @param {import("./service.js").Service} service
 * @param {Blob} file
 * @param {UploadOptions} [options]
 * @returns {Promise<{input: string, name: string, size: number}>} `input` is what a job's params take
 */
export async function upload(service, file, { onProgress = () => {}, signal, name = nameOf(file) } = {}) {
  const resumed = places.get(file);
  const place = resumed ?? (await begin(service, file, name, signal));
  places.set(file, place);
  let { offset, input } = resumed || !file.size ? await standing(service, place, signal) : { offset: 0, input: "" };
  for (let failures = 0, most = FIRST_PIECE; offset < file.size || !input; ) {
    onProgress(offset, file.size);
    try {
      if (failures) ({ offset, input } = await standing(service, place, signal));
      const began = Date.now();
      if (offset < file.size) ({ offset, input } = await bring(service, place, file.slice(offset, offset + most), offset, signal));
      most = Date.now() - began < SWIFT_MS ? Math.min(most * 2, LARGEST_PIECE) : FIRST_PIECE;
      failures = 0;
    } catch (error) {
      failures += 1;
      most = FIRST_PIECE;
      if (failures === MOST_FAILURES || !mayGoOn(error)) throw error;
      await pause(pauseAfter(error, failures), signal);
    }
  }
  places.delete(file);
  onProgress(file.size, file.size);
  return { input, name, size: file.size };
}

/** @param {any} service @param {Blob} file @param {string} name @param {AbortSignal} [signal] @returns {Promise<string>} */
async function begin(service, file, name, signal) {
  const metadata = `filename ${base64(name)}${file.type ? `,filetype ${base64(file.type)}` : ""}`;
  const headers = { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": metadata };
  const answer = await service.request("/api/uploads", { method: "POST", headers, signal, tries: 3 });
  return `/api/uploads/tus/${answer.headers.get("Location").split("/").at(-1)}`;
}

/** @param {any} service @param {string} place @param {AbortSignal} [signal] */
async function standing(service, place, signal) {
  return told(await service.request(place, { method: "HEAD", headers: TUS, signal }));
}

/** @param {any} service @param {string} place @param {Blob} body @param {number} offset @param {AbortSignal} [signal] */
async function bring(service, place, body, offset, signal) {
  const headers = { ...TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) };
  return told(await service.request(place, { method: "PATCH", headers, body, signal, timeout: PIECE_MS }));
}

/** @param {{headers: Headers}} answer */
function told({ headers }) {
  return { offset: Number(headers.get("Upload-Offset")), input: headers.get("Tidings-Input") ?? "" };
}

/** What a piece met may be over by the next, or be the doing of one before. @param {unknown} error */
const mayGoOn = (error) => error instanceof Refusal && (error.passing || OUT_OF_STEP.has(error.code));

/** @param {Blob} file */
const nameOf = (file) => ("name" in file ? String(file.name) : "upload");

/** @param {string} text */
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

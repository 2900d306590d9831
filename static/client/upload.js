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
 * `input` is what a job's params take.
 * @param {Service} service @param {Blob} file @param {UploadOptions} [options]
 * @returns {Promise<{input: string, name: string, size: number}>}
 */
export async function upload(service, file, { onProgress = () => {}, signal, name = nameOf(file) } = {}) {
  const { size } = file;
  /** @param {string} place @param {RequestInit & {timeout?: number}} [options] */
  const ask = async (place, { headers, ...options } = {}) => {
    const answer = await service.request(place, { method: "HEAD", ...options, headers: { ...TUS, ...headers }, signal });
    return { offset: Number(answer.headers.get("Upload-Offset")), input: answer.headers.get("Tidings-Input") ?? "" };
  };
  const place = places.get(file) ?? (await begin(service, file, name, signal));
  let known = { offset: 0, input: "" };
  let unsure = places.has(file) || !size;
  places.set(file, place);
  for (let failures = 0, most = FIRST_PIECE; !known.input; ) {
    onProgress(known.offset, size);
    try {
      if (unsure) known = await ask(place);
      unsure = false;
      const began = Date.now();
      const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(known.offset) };
      const body = file.slice(known.offset, known.offset + most);
      if (!known.input) known = await ask(place, { method: "PATCH", headers, body, timeout: PIECE_MS });
      most = Date.now() - began < SWIFT_MS ? Math.min(most * 2, LARGEST_PIECE) : FIRST_PIECE;
      failures = 0;
    } catch (error) {
      unsure = true;
      most = FIRST_PIECE;
      if (error instanceof Refusal && !mayGoOn(error)) places.delete(file);
      if (++failures === MOST_FAILURES || !mayGoOn(error)) throw error;
      await pause(pauseAfter(error, failures), signal);
    }
  }
  places.delete(file);
  onProgress(size, size);
  return { input: known.input, name, size };
}

/** @param {Service} service @param {Blob} file @param {string} name @param {AbortSignal} [signal] */
async function begin(service, { size, type }, name, signal) {
  const metadata = `filename ${base64(name)}${type ? `,filetype ${base64(type)}` : ""}`;
  const headers = { ...TUS, "Upload-Length": String(size), "Upload-Metadata": metadata };
  const answer = await service.request("/api/uploads", { method: "POST", headers, signal, tries: 3 });
  return `/api/uploads/tus/${answer.headers.get("Location")?.split("/").at(-1)}`;
}

/** What a piece met may be over by the next, or be the doing of one before. @param {unknown} error */
const mayGoOn = (error) => error instanceof Refusal && (error.passing || OUT_OF_STEP.has(error.code));

/** @param {Blob} file */
const nameOf = (file) => ("name" in file ? String(file.name) : "upload");

/** @param {string} text */
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

// A NodeId, which is a public key, as people compare it: aloud, or by pointing a camera.
import { encode } from "uqr";
import { concat, fromText } from "../../services/bytes.js";
import { nodeFromText } from "../../services/identity.js";
import { svg } from "../dom.js";
import { wordList } from "./wordList.js";

/** @typedef {import("../../services/bytes.js").Bytes} Bytes */

const label = fromText("dawn node words 1");
const wordCount = 12;

/**
 * Twelve words for the 32 bytes of a NodeId: the first 12 bytes of SHA-256(`dawn node words 1` ‖ NodeId), each the number of a word in {@link wordList}. `dawn id --words` prints the same.
 * Whoever wants a key with the same words has to make about 2^96 of them.
 * @param {Bytes} id @returns {Promise<string[]>}
 */
export async function wordsOf(id) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", concat(label, id)));
  return [...digest.subarray(0, wordCount)].map(byte => wordList[byte]);
}

/** The same for a NodeId as text; none where it is no NodeId. @param {string} text */
export async function wordsOfText(text) {
  const id = nodeFromText(text);
  return id === null ? [] : wordsOf(id);
}

/** In groups of four, as every node prints its own whole by `dawn id`. @param {string} text */
export const groupsOf = text => text.match(/.{1,4}/g) ?? [];

/** What tells nodes apart at a glance, and is enough to call by. @param {string} text */
export const shortId = text => text.slice(0, 10);

/** A QR code, black on white whatever the page's colours are: cameras want it so. @param {string} text @param {string} name For those who don't see it. */
export function qrCode(text, name) {
  const { size, data } = encode(text, { ecc: "M", border: 2 });
  const path = data.flatMap((row, y) => row.map((isDark, x) => isDark ? `M${x} ${y}h1v1h-1z` : "")).join("");
  return svg("svg", { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": name, "shape-rendering": "crispEdges" }, svg("rect", { width: size, height: size, fill: "#fff" }), svg("path", { d: path, fill: "#000" }));
}

// Files for agents: as MCP content where the agent takes it, and as quoted text where it takes only that.
import { DawnError } from "../services/errors.js";
import { t } from "../i18n/index.js";
import { size } from "./size.js";

/** @typedef {import("./messages.js").Attachment} Attachment */

/** Of the files of a message together, at most: an MCP message has 64 MiB, and base64 makes four bytes of three. */
const largest = 50_000_000;

/** What the node that serves this page allows (`Dawn:Gateway:FileSize`). */
export function fileLimit() {
  const said = Number(document.querySelector('meta[name="dawn-file-size"]')?.getAttribute("content"));
  return said > 0 ? Math.min(said, largest) : largest;
}

/** @param {readonly { size: number }[]} files */
export const weight = files => files.reduce((sum, file) => sum + file.size, 0);

const maxQuoted = 100_000;

/**
 * @param {string} text @param {Attachment[]} files @param {boolean} takesContent Whether the agent has an argument for content.
 * @returns {Promise<{ text: string, attachments: object[] }>}
 */
export async function attach(text, files, takesContent) {
  if (weight(files) > fileLimit()) {
    // Of a conversation that was kept from when more was allowed.
    throw new DawnError("limit", tooLarge(files[files.length - 1].name), { outcome: "not-executed" });
  }
  if (takesContent) {
    return { text, attachments: await Promise.all(files.map(block)) };
  }
  const quoted = [];
  for (const file of files) {
    if (!isText(file) || file.size > maxQuoted) {
      throw new DawnError("refused", t("chat.file-not-taken", { name: file.name }), { outcome: "not-executed" });
    }
    quoted.push(`\n\n${file.name}:\n\n\`\`\`\n${await file.data.text()}\n\`\`\``);
  }
  return { text: text + quoted.join(""), attachments: [] };
}

/** @param {string} name */
export const tooLarge = name => t("chat.file-too-large", { name, limit: size(fileLimit()) });

/** The file as an MCP content block. @param {Attachment} file */
async function block(file) {
  const kind = file.type.split("/")[0];
  if (kind === "image" || kind === "audio") {
    return { type: kind, mimeType: file.type, data: await base64(file.data) };
  }
  const resource = { uri: `file:///${encodeURIComponent(file.name)}`, mimeType: file.type || "application/octet-stream" };
  return { type: "resource", resource: isText(file) ? { ...resource, text: await file.data.text() } : { ...resource, blob: await base64(file.data) } };
}

/** @param {Attachment} file */
const isText = file => file.type.startsWith("text/") || /(json|xml|yaml|toml|javascript|csv|markdown)$/.test(file.type) || /\.(md|txt|csv|json|ya?ml|toml|xml|cs|js|ts|py|rs|go|sh|sql|html|css|log)$/i.test(file.name);

/** @param {Blob} blob @returns {Promise<string>} */
function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

// Files for agents: as MCP content where the agent takes it, and as quoted text where it takes only that.
import { DawnError } from "../services/errors.js";
import { t } from "../i18n/index.js";

/** @typedef {import("./messages.js").Attachment} Attachment */

/** What a message and its files weigh together, at most: an MCP message has 4 MiB, and base64 makes four bytes of three. */
export const maxFiles = 2_500_000;
const maxQuoted = 100_000;

/**
 * @param {string} text @param {Attachment[]} files @param {boolean} takesContent Whether the agent has an argument for content.
 * @returns {Promise<{ text: string, attachments: object[] }>}
 */
export async function attach(text, files, takesContent) {
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

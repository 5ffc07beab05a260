// A conversation as a file, for people and for programs.

/** @typedef {import("./messages.js").Conversation} Conversation */
/** @typedef {import("./messages.js").Message} Message */

/** @param {Conversation} conversation @param {string} format `json`, else Markdown. */
export function exported(conversation, format) {
  const { id, title } = conversation.summary;
  const name = `${title.replace(/[^\p{L}\p{N}]+/gu, "-").toLowerCase()}-${new Date().toISOString().slice(0, 10)}`;
  return format === "json"
    ? { name: `${name}.json`, type: "application/json", text: JSON.stringify({ agent: id, title, exported: new Date().toISOString(), messages: conversation.messages.map(plain) }, null, 2) }
    : { name: `${name}.md`, type: "text/markdown", text: `# ${title}\n\n\`${id}\`\n\n${conversation.messages.map(message => section(message, title)).join("\n\n")}\n` };
}

/** @param {Message} message */
function plain({ number, from, kind, at, text, status, error, outcome, tool, args, content, structured, files, replyTo, took }) {
  return { number, from, kind, at: new Date(at).toISOString(), text, status, error, outcome, tool, args, content, structured, files: files?.map(({ name, type, size }) => ({ name, type, size })), replyTo, took };
}

/** @param {Message} message @param {string} title */
function section(message, title) {
  const who = message.from === "me" ? "You" : message.from === "agent" ? title : "Note";
  const parts = [
    message.kind === "call" ? `\`/${message.tool} ${JSON.stringify(message.args ?? {})}\`` : message.text,
    message.structured === undefined ? "" : `\`\`\`json\n${JSON.stringify(message.structured, null, 2)}\n\`\`\``,
    ...(message.content ?? []).map(block => `_(${block?.type}${block?.mimeType === undefined ? "" : `, ${block.mimeType}`})_`),
    ...(message.files ?? []).map(file => `_(${file.name}, ${file.size} bytes)_`),
    message.status === "failed" ? `_Failed: ${message.error ?? "interrupted"}_` : "",
  ];
  return `## ${who}, ${new Date(message.at).toISOString()}\n\n${parts.filter(part => part !== "").join("\n\n")}`;
}

/** Hands a file to the browser. @param {{ name: string, type: string, text: string }} file */
export function download({ name, type, text }) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
  // Not at once: the browser reads it a moment later.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

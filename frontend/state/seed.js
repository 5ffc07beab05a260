// Messages of every kind, for tests that measure the page; loaded only where the node says that this is a test.

/** @typedef {import("./messages.js").Message} Message */

const texts = [
  "Good morning!", "Could you look at the numbers from last week, please? I'd like to know whether the trend holds.", "Yes, that works. Thanks.",
  "Here is a short **summary**:\n\n- the first point, with `code`\n- the second one, a bit longer than the first\n- and a [link](https://example.org)\n",
  "```javascript\nfunction add(a, b) {\n  // The sum of two numbers.\n  return a + b;\n}\n```",
  "| city | degrees |\n|---|---:|\n| Kyoto | 21 |\n| Vienna | 9 |\n| Oslo | 2 |",
  "> What is quoted here was said before.\n\nAnd an answer to it that runs over more than one line, so that heights differ from message to message as they do when people and machines talk to each other all day.",
  "First paragraph of a longer text. It says something, and goes on for a while.\n\nSecond paragraph. It says more, with *emphasis* and a little patience.\n\nThird paragraph: the end.",
];

/** Fills the conversation that is open. @param {import("./state.js").State} state @param {number} count */
export async function seed(state, count) {
  const conversation = state.conversations.current.value;
  if (conversation === null) {
    throw new Error("Open a conversation first.");
  }
  await conversation.load();
  const began = Date.now() - count * 60_000;
  /** @type {Message[]} */
  const messages = Array.from({ length: count }, (_, index) => ({
    conversation: conversation.id, number: conversation.summary.next++, at: began + index * 60_000, ...kind(index),
  }));
  conversation.summary.lastAt = Date.now();
  conversation.summary.lastText = "…";
  await conversation.addAll(messages);
}

/** @param {number} index @returns {Pick<Message, "from" | "kind" | "text" | "status"> & Partial<Message>} */
function kind(index) {
  const text = `${texts[(index * 7) % texts.length]}${index % 5 === 0 ? ` (${index})` : ""}`;
  switch (index % 16) {
    case 5: return { from: "me", kind: "call", text: "", tool: "roll", args: { dice: `${1 + index % 6}d6`, times: index }, status: "received" };
    case 6: return { from: "agent", kind: "result", text: "", tool: "roll", structured: { total: index, rolls: [1, 2, 3] }, status: "done", took: 12 };
    case 11: return { from: "me", kind: "text", text, status: "failed", error: "The node is unreachable.", outcome: "not-executed" };
    default: return index % 2 === 0 ? { from: "me", kind: "text", text, status: "received" } : { from: "agent", kind: "text", text, status: "done" };
  }
}

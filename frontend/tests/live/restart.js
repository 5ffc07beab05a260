// A light node whose home node is restarted: `node --experimental-websocket restart.js <page address> <far node's id>`.
// Prints "linked" once it is, and, after the restart, one line of JSON.
import { LightNode } from "../../services/node.js";
import { memoryStore } from "../../services/store.js";
import { ticketIn } from "../../services/ticket.js";

const [address, far] = process.argv.slice(2);
const url = new URL(address);
const patience = AbortSignal.timeout(50_000);
const node = await LightNode.open({ url: url.href, ticket: ticketIn(url.hash), store: memoryStore(), locks: null });
patience.addEventListener("abort", () => {
  console.error("not within 50 s", node.status);
  process.exit(1);
});
await node.whenOnline(patience);
const client = await node.connect(`${far}:first`, { signal: patience });
await client.callTool("roll", { dice: "1d6" });
console.log("linked");
while (node.status.state === "online") {
  await new Promise(resolve => node.addEventListener("status", resolve, { once: true }));
}
// Nothing can leave now; it goes when there is a way again, on the same session.
const during = await client.callTool("roll", { dice: "2d6" });
const { sessions } = node.connections();
console.log(JSON.stringify({ rolls: during.structuredContent.rolls.length, sessions: sessions.length, state: node.status.state }));
await node.close();
process.exit(0);

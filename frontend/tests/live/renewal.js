// A light node that is let in again while it is linked: `node --experimental-websocket renewal.js <page address> <far node's id>`, then another page address on standard input.
// Prints "linked" once it is, and one line of JSON after.
import { createInterface } from "node:readline/promises";
import { LightNode } from "../../services/node.js";
import { memoryStore } from "../../services/store.js";
import { ticketIn } from "../../services/ticket.js";

const [address, far] = process.argv.slice(2);
const url = new URL(address);
const patience = AbortSignal.timeout(50_000);
const node = await LightNode.open({ url: url.href, ticket: ticketIn(url.hash), store: memoryStore(), locks: null });
patience.addEventListener("abort", () => {
  console.error("not within 50 s", node.status, node.connections());
  process.exit(1);
});
await node.whenOnline(patience);
const client = await node.connect(`${far}:first`, { signal: patience });
const before = node.status.certificateEnds ?? 0;
// Its times are whole seconds.
await new Promise(resolve => setTimeout(resolve, 1_100));
console.log("linked");
const next = await createInterface({ input: process.stdin }).question("");
await node.redeem(ticketIn(new URL(next).hash) ?? "");
const after = node.status.certificateEnds ?? 0;
// The new certificate is shown on link and session by fresh keys, and calls go on.
let calls = 0;
while (node.connections().link?.epoch === 0 || node.connections().sessions.some(session => session.epoch === 0)) {
  await client.callTool("roll", { dice: "1d6" });
  calls++;
}
console.log(JSON.stringify({ isLater: after > before, state: node.status.state, calls, sessions: node.connections().sessions.length }));
await node.close();
process.exit(0);

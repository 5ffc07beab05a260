// A light node against real nodes, for the tests that start those: `node --experimental-websocket conversation.js <page address> <far node's id> [rekey ms]`.
// The address is that of the ready line, with its ticket. Prints one line of JSON: what was seen.
import { LightNode } from "../../services/node.js";
import { DawnError } from "../../services/errors.js";
import { memoryStore } from "../../services/store.js";
import { ticketIn } from "../../services/ticket.js";

const [address, far, rekey] = process.argv.slice(2);
const url = new URL(address);
const ticket = ticketIn(url.hash);
const rekeyAfter = rekey === undefined ? undefined : Number(rekey);
const store = memoryStore();
const patience = AbortSignal.timeout(50_000);
patience.addEventListener("abort", () => {
  console.error("not within 50 s", node?.status);
  process.exit(1);
});
/** @type {LightNode | undefined} */
let node;

/** @param {() => unknown} holds @param {EventTarget} target @param {string} event */
async function until(holds, target, event) {
  while (!holds()) {
    await new Promise(resolve => target.addEventListener(event, resolve, { once: true }));
  }
}

/** The code of what an action fails with. @param {() => Promise<unknown>} action */
async function codeOf(action) {
  try {
    await action();
    return "none";
  } catch (error) {
    return error instanceof DawnError ? error.code : String(error);
  }
}

/** Where the machine is so busy that no handshake is through in its time, the next one may be: nothing was executed. @param {LightNode} from @param {string} to */
async function connect(from, to) {
  for (;;) {
    try {
      return await from.connect(to, { signal: patience });
    } catch (error) {
      if (!(error instanceof DawnError) || error.code !== "unreachable") {
        throw error;
      }
    }
  }
}

/** @type {Record<string, unknown>} */
const seen = {};

node = await LightNode.open({ url: url.href, ticket, store, locks: null, rekeyAfter });
const first = node;
await first.whenOnline(patience);
await until(() => first.agents().some(agent => agent.node === far && agent.agent === "first"), first, "agents");
seen.home = first.status.home;
seen.id = first.id;
seen.network = first.status.network;
seen.agents = first.agents().map(agent => agent.address);

const client = await connect(first, `${far}:first`);
seen.server = client.server.serverInfo.name;
seen.tools = (await client.list("tools")).map(tool => tool.name);
seen.roll = await client.callTool("roll", { dice: "3d6" });

// Twenty at once, and messages that are larger than any window.
const many = await Promise.all(Array.from({ length: 20 }, () => client.callTool("roll", { dice: "2d6" })));
seen.many = many.filter(result => result.content?.length > 0).length;
const text = await connect(first, `${far}:text`);
const long = await text.callTool("count", { text: "dawn ".repeat(600_000) }, { timeout: 45_000 });
seen.long = long.structuredContent ?? long.content;

if (rekeyAfter !== undefined) {
  const until = Date.now() + 4 * rekeyAfter;
  let calls = 0;
  while (Date.now() < until) {
    await client.callTool("roll", { dice: "1d6" });
    calls++;
  }
  seen.calls = calls;
  const { link, sessions } = first.connections();
  seen.epochs = [link?.epoch, sessions.find(session => session.node === far)?.epoch];
}

seen.unknown = await codeOf(() => connect(first, `${far}:nobody`));
client.close();
await first.close();

// The key and the certificate are kept: no ticket is needed any more. One that was used says so where it is needed.
const again = await LightNode.open({ url: url.href, store, locks: null });
await again.whenOnline(patience);
seen.sameId = again.id === seen.id;
await until(() => again.agents().some(agent => agent.node === far && agent.agent === "first"), again, "agents");
const second = await connect(again, `${far}:first`);
seen.again = (await second.callTool("roll", { dice: "1d6" })).content.length;
await again.close();

const stranger = await LightNode.open({ url: url.href, ticket, store: memoryStore(), locks: null });
seen.spent = await codeOf(() => stranger.whenOnline(patience));
await stranger.close();
const nobody = await LightNode.open({ url: url.href, store: memoryStore(), locks: null });
seen.none = await codeOf(() => nobody.whenOnline(patience));
await nobody.close();

console.log(JSON.stringify(seen));
process.exit(0);

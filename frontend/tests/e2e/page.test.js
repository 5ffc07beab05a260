// The built page in Chromium before real nodes, from end to end. One set of nodes serves all of it; each part opens browsers of its own.
import { after, afterEach, before } from "node:test";
import { begin, end, world } from "./world.mjs";

before(begin, { timeout: 90_000 });
after(end, { timeout: 30_000 });
// A test that failed leaves its pages to nobody else.
afterEach(() => Promise.all(world.browser.contexts().map(context => context.close())));

await import("./membership.js");
await import("./chat.js");
await import("./tools.js");
await import("./network.js");
await import("./served.js");
await import("./quality.js");
await import("./offline.js");

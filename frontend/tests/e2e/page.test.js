// The built page in Chromium before real nodes, from end to end. One set of nodes serves all of it; each part opens browsers of its own.
import { after, before } from "node:test";
import { begin, end } from "./world.mjs";

before(begin, { timeout: 90_000 });
after(end, { timeout: 30_000 });

await import("./membership.js");
await import("./chat.js");
await import("./tools.js");
await import("./network.js");
await import("./served.js");

// The page in a real browser, at the address of a node whose gateway has a certificate of its own: what it saw is one line of JSON.
//   node browser.mjs <ui> <fingerprint>
// Without a Chromium, or what drives it, the exit code is 77.
import { existsSync } from "node:fs";
import { connect } from "node:tls";

const patience = 30_000;
if (!existsSync(process.env.CHROMIUM || "/usr/bin/chromium")) {
  process.exit(77);
}
const [ui, fingerprint] = /** @type {[string, string]} */ (process.argv.slice(2));

// As a person does: first the fingerprint is compared, then what the browser thinks of the certificate is set aside.
const { hostname, port } = new URL(ui);
const shown = await new Promise((resolve, reject) => {
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port), rejectUnauthorized: false, timeout: patience }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.destroy();
  });
  socket.on("error", reject);
  socket.on("timeout", () => socket.destroy(new Error(`no handshake within ${patience} ms`)));
});
if (shown !== fingerprint) {
  throw new Error(`The gateway shows ${shown}, not ${fingerprint}.`);
}

const { launch } = await import("../chromium.mjs").catch(() => process.exit(77));
const browser = await launch();
try {
  const distrusting = await browser.newPage();
  const refusal = await distrusting.goto(ui).then(() => "", error => String(error.message));
  await distrusting.close();

  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const sockets = [];
  page.on("console", message => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", error => complaints.push(error.stack ?? error.message));
  page.on("websocket", socket => sockets.push(socket.url()));
  await page.goto(ui);
  const agents = page.locator(".agent");
  await agents.first().waitFor({ timeout: patience });
  const first = { isSecure: await page.evaluate(() => isSecureContext), hash: await page.evaluate(() => location.hash), agents: await agents.allInnerTexts() };
  // The second time it needs no ticket.
  await page.goto(new URL("/", ui).href);
  await agents.first().waitFor({ timeout: patience });
  process.stdout.write(JSON.stringify({ ...first, again: await agents.count(), refusal, sockets, complaints }));
} finally {
  await browser.close();
}

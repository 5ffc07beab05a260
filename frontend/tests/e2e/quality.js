// Whether everybody can use it: by axe, in both themes and all views, wide and narrow, by keyboard alone, in other languages, colours and without motion.
import assert from "node:assert/strict";
import { test } from "node:test";
import { last, openAgent, say } from "../browser/chat.mjs";
import { assertAccessible, assertNoOverflow, openPage, screenshot } from "../chromium.mjs";
import { enter, steer, world } from "./world.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Opens the desk, over the drawer where there is one. @param {Page} page */
async function atTheDesk(page) {
  const drawer = page.locator(".drawer-open");
  if (await drawer.isVisible()) {
    await drawer.click();
  }
  await openAgent(page, "Front desk");
}

/** Something of everything. @param {Page} page */
async function talk(page) {
  await say(page, "/media");
  await last(page, "agent").locator("audio").waitFor();
  await say(page, "break it");
  await page.getByTestId("retry").waitFor();
  await page.getByTestId("retry").click();
  await last(page, "agent").getByText("The bell works again.").waitFor();
  await say(page, "/prices");
  await last(page, "agent").locator("th", { hasText: "price" }).waitFor();
  await say(page, "Which rooms are free tonight?");
  await last(page, "agent").locator(".hljs-keyword").first().waitFor();
}

/** All that can be seen, each with a way there and back. @type {{ name: string, open: (page: Page, isNarrow: boolean) => Promise<void>, close: (page: Page, isNarrow: boolean) => Promise<void> }[]} */
const views = [
  { name: "chat", open: async () => {}, close: async () => {} },
  {
    name: "agents",
    open: async (page, isNarrow) => isNarrow ? page.locator(".drawer-open").click() : page.getByTestId("agents").getByRole("searchbox").fill("desk"),
    close: async (page, isNarrow) => isNarrow ? page.keyboard.press("Escape") : page.getByTestId("agents").getByRole("searchbox").fill(""),
  },
  {
    name: "tools",
    open: async (page, isNarrow) => {
      if (isNarrow) {
        await page.getByRole("button", { name: "Tools", exact: true }).click();
      }
      const tools = page.getByTestId("tools");
      await tools.getByRole("option", { name: "Book a room" }).click();
      await tools.getByLabel("Name").fill("Ada");
      await tools.getByRole("button", { name: "Add an item" }).click();
      await tools.getByTestId("run").click();
      await tools.getByRole("alert").first().waitFor();
    },
    close: async (page, isNarrow) => {
      await page.getByTestId("tools").getByRole("button", { name: "Back to the list" }).click();
      if (isNarrow) {
        await page.keyboard.press("Escape");
      }
    },
  },
  {
    name: "result",
    open: async (page, isNarrow) => {
      if (isNarrow) {
        await page.getByRole("button", { name: "Tools", exact: true }).click();
      }
      await page.getByTestId("tools").getByRole("option", { name: "Prices" }).click();
      await page.getByTestId("tools").getByTestId("run").click();
      await page.getByTestId("tools").locator("[data-testid=call][data-status=done]").waitFor();
      await page.getByTestId("tools").getByText("Request and response").click();
    },
    close: async (page, isNarrow) => {
      await page.getByTestId("tools").getByRole("button", { name: "Back to the list" }).click();
      if (isNarrow) {
        await page.keyboard.press("Escape");
      }
    },
  },
  {
    name: "network",
    open: async page => {
      await page.getByTestId("network").click();
      const sheet = page.getByTestId("network-sheet");
      await sheet.locator(`[data-node="${world.far.id}"]`).click();
      await sheet.getByText("QR code of the key").click();
      await sheet.getByTestId("words").locator("li").nth(11).waitFor();
      await sheet.locator("tr", { has: page.locator(`[data-node="${world.relay.id}"]`) }).getByText("connected").waitFor();
      await page.mouse.move(0, 0);
      await sheet.evaluate(element => { element.scrollTop = 0; });
    },
    close: page => page.keyboard.press("Escape"),
  },
  {
    name: "plugins",
    open: async page => {
      await page.getByTestId("network").click();
      await page.getByRole("tab", { name: /Plugins/ }).click();
      await page.getByText("transport-websocket").waitFor();
    },
    close: page => page.keyboard.press("Escape"),
  },
  {
    name: "search",
    open: async page => {
      await page.getByTestId("search").fill("room");
      await page.getByTestId("results").locator("mark").first().waitFor();
    },
    close: page => page.keyboard.press("Escape"),
  },
  {
    name: "palette",
    open: async page => {
      await page.keyboard.press("Control+k");
      await page.getByRole("option", { name: /\/prices/ }).waitFor();
    },
    close: page => page.keyboard.press("Escape"),
  },
  {
    name: "help",
    open: async page => {
      await page.getByRole("button", { name: "Help" }).click();
      await page.getByTestId("help").waitFor();
    },
    close: page => page.keyboard.press("Escape"),
  },
  ...["/ask", "/guess"].map(command => ({
    name: command.slice(1),
    open: async (/** @type {Page} */ page) => {
      await say(page, command);
      await page.getByTestId("dialog").waitFor();
    },
    close: async (/** @type {Page} */ page) => {
      await page.keyboard.press("Escape");
      await page.getByTestId("dialog").waitFor({ state: "detached" });
    },
  })),
];

/** Shows a theme, and waits until it is there. @param {Page} page @param {"light" | "dark"} scheme */
async function inTheme(page, scheme) {
  await page.emulateMedia({ colorScheme: scheme });
  await page.waitForFunction(isDark => (getComputedStyle(document.documentElement).backgroundColor === "rgb(21, 19, 26)") === isDark, scheme === "dark");
}

for (const width of [1280, 360]) {
  test(`Nothing is wrong for axe in any view, light or dark, ${width} px wide`, async () => {
    const opened = await enter({ width, height: 800 });
    const { page } = opened;
    await assertAccessible(page);
    await atTheDesk(page);
    await talk(page);
    for (const view of views) {
      await view.open(page, width < 700);
      for (const scheme of /** @type {const} */ (["light", "dark"])) {
        await inTheme(page, scheme);
        await assertAccessible(page);
        await assertNoOverflow(page);
        await screenshot(page, `${view.name}-${scheme}-${width}`);
      }
      await inTheme(page, "light");
      await view.close(page, width < 700);
    }
    // An agent that works on something, and a page without a ticket.
    await say(page, "/slow");
    await page.getByTestId("messages").locator("progress").waitFor();
    await assertAccessible(page);
    await page.getByTestId("messages").getByTestId("cancel").click();
    await page.locator("article[data-from=me][data-status=cancelled]").waitFor();
    await opened.close();
    const outside = await openPage(world.browser, world.home.origin, { width, height: 800 });
    await outside.page.getByTestId("ticket-page").waitFor();
    for (const scheme of /** @type {const} */ (["light", "dark"])) {
      await inTheme(outside.page, scheme);
      await assertAccessible(outside.page);
      await assertNoOverflow(outside.page);
    }
    await outside.close();
  });
}

test("On a phone agents and tools are drawers: they take the focus, are inert while they are closed, and go by Escape, their button or a tap beside them", async () => {
  const opened = await enter({ width: 360, height: 640 });
  const { page } = opened;
  const [agents, tools] = [page.getByTestId("agents"), page.getByRole("complementary", { name: "Tools", includeHidden: true })];
  const stands = (/** @type {import("playwright-core").Locator} */ drawer, /** @type {boolean} */ isOpen) => drawer.evaluate((element, isOpen) => new Promise(resolve => {
    const look = () => /** @type {HTMLElement} */ (element).inert !== isOpen && (getComputedStyle(element).visibility === "visible") === isOpen ? resolve(undefined) : requestAnimationFrame(look);
    look();
  }), isOpen);
  const holdsFocus = (/** @type {import("playwright-core").Locator} */ drawer) => drawer.evaluate(element => element.contains(document.activeElement));
  await stands(agents, false);
  await stands(tools, false);
  await page.locator(".drawer-open").click();
  await stands(agents, true);
  assert.ok(await holdsFocus(agents));
  await page.keyboard.press("Escape");
  await stands(agents, false);
  await page.locator(".drawer-open").click();
  await page.locator(".shade").click({ position: { x: 350, y: 600 } });
  await stands(agents, false);
  // Whoever is chosen is what one came for.
  await atTheDesk(page);
  await stands(agents, false);
  await page.getByRole("button", { name: "Tools", exact: true }).click();
  await stands(tools, true);
  assert.ok(await holdsFocus(tools));
  await tools.getByRole("button", { name: "Close" }).click();
  await stands(tools, false);
  await opened.close();
});

test("It fits into 320 pixels, which is 400 % of 1280, with room for the keyboard that a phone shows", async () => {
  for (const height of [640, 256]) {
    const opened = await enter({ width: 320, height });
    const { page } = opened;
    assert.equal(await page.getByTestId("agents").evaluate(element => /** @type {any} */ (element).inert), true, "a closed drawer is inert");
    await atTheDesk(page);
    await talk(page);
    for (const view of views) {
      await view.open(page, true);
      await assertNoOverflow(page);
      await view.close(page, true);
    }
    const box = await page.getByTestId("composer").boundingBox();
    assert.ok(box !== null && box.y >= 0 && box.y + box.height <= height, `the composer is in sight: ${JSON.stringify(box)}`);
    await opened.close();
  }
});

test("The main ways are open to the keyboard alone, and the focus is never lost", async () => {
  const opened = await enter();
  const { page } = opened;
  const focused = () => page.evaluate(() => {
    const element = /** @type {HTMLElement} */ (document.activeElement);
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const around = element.matches("textarea") ? getComputedStyle(/** @type {Element} */ (element.parentElement)) : null;
    return { name: element.getAttribute("data-testid") ?? element.className, text: element.textContent ?? "", isSeen: outlineStyle !== "none" && outlineWidth !== "0px" || around !== null && around.outlineStyle !== "none", isBody: element === document.body };
  });
  /** Goes on by Tab until something has the focus, which is seen at each stop. @param {(one: { name: string, text: string }) => boolean} wanted @param {string} [key] */
  const tabTo = async (wanted, key = "Tab") => {
    for (let stop = 0; stop < 80; stop++) {
      await page.keyboard.press(key);
      const now = await focused();
      assert.ok(now.isSeen || now.isBody, `no focus is seen at ${now.name}`);
      if (wanted(now)) {
        return;
      }
    }
    assert.fail("never reached");
  };

  await page.keyboard.press("Tab");
  assert.equal((await focused()).name, "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "chat");
  await tabTo(one => one.name === "agent" && one.text.includes("Front desk"), "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.locator(".chat-title h1", { hasText: "Front desk" }).waitFor();
  assert.equal((await focused()).name, "agent", "the list is drawn anew, and the focus stays");
  await tabTo(one => one.name === "composer");
  await page.keyboard.type("echo hello");
  await page.keyboard.press("Enter");
  await last(page, "agent").getByText("hello").waitFor();
  await page.keyboard.type("/prices");
  await page.getByRole("option", { name: "/prices" }).waitFor();
  await page.keyboard.press("Enter");
  await last(page, "agent").locator("th", { hasText: "price" }).waitFor();

  // Messages, one after the other.
  await last(page, "agent").focus();
  await page.keyboard.press("PageUp");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-kind")), "call");
  await page.keyboard.press("PageUp");
  assert.match((await focused()).text, /hello/);

  // A tool: to the tabs, a tab further and back, into the list, to the form, and off.
  await tabTo(one => one.name === "tab");
  await page.keyboard.press("ArrowRight");
  await page.locator("[data-tab=resources][aria-selected=true]").waitFor();
  await page.keyboard.press("Home");
  await tabTo(one => one.name === "windowed");
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.locator(".panel-head h2:focus", { hasText: "Prices" }).waitFor();
  await page.keyboard.press("Control+Enter");
  await tabTo(one => one.name === "run");
  await page.keyboard.press("Enter");
  await page.getByTestId("tools").locator("[data-testid=call][data-status=done]").waitFor();
  assert.equal((await focused()).isBody, false);

  // A sheet takes the focus and gives it back.
  await tabTo(one => one.name === "network", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByTestId("network-sheet").waitFor();
  await tabTo(one => one.text.startsWith(world.relay.id.slice(0, 10)));
  await page.keyboard.press("Enter");
  await page.locator(".node-detail h2:focus").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("network-sheet").waitFor({ state: "detached" });
  assert.equal((await focused()).name, "network");
  await page.keyboard.press("?");
  await page.getByTestId("help").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("help").waitFor({ state: "detached" });
  assert.equal((await focused()).name, "network");
  await opened.close();
});

test("Nothing moves where motion is unwanted; forced colours keep what colours say", async () => {
  const moving = (/** @type {Page} */ page) => page.evaluate(() => document.getAnimations().filter(one => one.playState === "running" && Number(one.effect?.getComputedTiming().duration) > 1).length);
  for (const reducedMotion of [true, false]) {
    const opened = await enter({ reducedMotion });
    const { page } = opened;
    await atTheDesk(page);
    await say(page, "slowly now");
    await page.getByTestId("typing").waitFor();
    assert.equal(await moving(page) > 0, !reducedMotion);
    await steer({ steps: 4 });
    await last(page, "agent").getByText("One, two, three.").waitFor();
    await opened.close();
  }
  const opened = await enter({ forcedColors: true });
  const { page } = opened;
  await atTheDesk(page);
  await talk(page);
  for (const view of views.filter(one => ["chat", "tools", "network"].includes(one.name))) {
    await view.open(page, false);
    await assertAccessible(page);
    await screenshot(page, `${view.name}-forced-colors`);
    await view.close(page, false);
  }
  const border = await last(page, "me").locator(".bubble").evaluate(bubble => getComputedStyle(bubble).borderTopWidth);
  assert.notEqual(border, "0px", "who says what is told by a frame");
  assert.notEqual(await page.locator(".agent[aria-current=true]").evaluate(agent => getComputedStyle(agent).outlineStyle), "none", "the one that is open is marked");
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").getByRole("option").nth(1).waitFor();
  const [chosen, other] = await page.getByRole("dialog").getByRole("option").evaluateAll(all => all.slice(0, 2).map(option => getComputedStyle(option).backgroundColor));
  assert.notEqual(chosen, other);
  await opened.close();
});

test("It speaks English, German, Japanese and Arabic, which runs from right to left", async () => {
  const opened = await enter({ locale: "de-AT" });
  const { page } = opened;
  await atTheDesk(page);
  await say(page, "echo hello");
  await last(page, "agent").getByText("hello").waitFor();
  const said = /** @type {Record<string, string>} */ ({ de: "Ende-zu-Ende-verschlüsselt", en: "End-to-end encrypted", ja: "", ar: "" });
  for (const [name, words] of Object.entries(said)) {
    if (name !== "de") {
      await page.locator(".language select").selectOption(name);
    }
    await page.locator(`html[lang=${name}][dir=${name === "ar" ? "rtl" : "ltr"}]`).waitFor();
    const encryption = await page.getByTestId("encryption").textContent() ?? "";
    words === "" ? assert.notEqual(encryption, said.en) : assert.equal(encryption, words);
    await atTheDesk(page);
    await last(page, "agent").getByText("hello").waitFor();
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      await assertNoOverflow(page);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.locator("[data-testid=tools][data-status=ready]").waitFor();
    await assertAccessible(page);
    await page.getByTestId("network").click();
    await page.locator(".graph-node").nth(3).waitFor();
    await assertNoOverflow(page);
    assert.doesNotMatch(await page.locator("body").innerText(), /\b(app|chat|tools|network)\.[a-z]+[.-]?[a-z]*\b(?!\()/i, "a word that has none");
    await screenshot(page, `network-${name}`);
    await page.keyboard.press("Escape");
    await page.getByTestId("network-sheet").waitFor({ state: "detached" });
    await screenshot(page, `chat-${name}`);
  }
  // The agents' column stands where lines begin.
  assert.ok(await page.getByTestId("agents").evaluate(element => element.getBoundingClientRect().right === innerWidth));
  await page.reload();
  await page.locator("html[lang=ar]").waitFor();
  await opened.close();
});

// Drives a browser for tests that are written elsewhere: one JSON request a line on standard input,
// one JSON answer a line on standard output. Each named page has a profile of its own.
//
//   {"id": 1, "page": "ana", "op": "open", "args": {"url": "http://..."}}  ->  {"id": 1, "ok": null}
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// A microphone that says the same WAV file over and over, if there is to be one.
const [executablePath, microphone] = process.argv.slice(2);
if (executablePath === undefined) throw new Error("usage: node driver.mjs BROWSER [WAV]");
const speaking =
  microphone === undefined
    ? []
    : [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        `--use-file-for-fake-audio-capture=${microphone}`,
      ];
const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    ...speaking,
  ],
});
const pages = new Map();
const sessions = new WeakMap();

const ops = {
  async open(name, { url, remembers = {}, ...options }) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    await context.addInitScript((kept) => {
      for (const [key, value] of Object.entries(kept)) {
        if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
      }
    }, remembers);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const problems = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => {
      // A refused sign-in is an answer, not a fault of the page.
      if (message.type() === "error" && !message.text().includes("401")) problems.push(message.text());
    });
    pages.set(name, { page, problems });
    await page.goto(url);
  },
  tab: async (page, { url, as, problems }) => {
    const other = await page.context().newPage();
    pages.set(as, { page: other, problems });
    await other.goto(url);
  },
  close: (page, { unload }) => page.close({ runBeforeUnload: unload === true }),
  leave: (page) => page.context().close(),
  goto: (page, { url }) => page.goto(url).then(() => null),
  reload: (page) => page.reload().then(() => null),
  click: (page, { selector }) => page.locator(selector).first().click(),
  fill: (page, { selector, value }) => page.locator(selector).first().fill(value),
  select: (page, { selector, value }) => page.locator(selector).first().selectOption(value).then(() => null),
  press: (page, { key }) => page.keyboard.press(key),
  type: (page, { value }) => page.keyboard.type(value),
  wait: (page, { selector, state, text }) =>
    page
      .locator(selector, text === undefined ? {} : { hasText: text })
      .first()
      .waitFor({ state: state ?? "visible" }),
  text: (page, { selector }) => page.locator(selector).first().innerText(),
  value: (page, { selector }) => page.locator(selector).first().inputValue(),
  attribute: (page, { selector, name }) => page.locator(selector).first().getAttribute(name),
  count: (page, { selector }) => page.locator(selector).count(),
  evaluate: (page, { script }) => page.evaluate(script),
  async until(page, { script }) {
    // Playwright's own waiting evaluates inside the page, where its security policy forbids it.
    for (const end = Date.now() + 15_000; !(await page.evaluate(script)); ) {
      if (Date.now() > end) throw new Error(`never true: ${script}`);
      await page.waitForTimeout(30);
    }
  },
  look: (page, options) => page.emulateMedia(options),
  // Times are the main thread's CPU: what others do on this machine does not count.
  async metrics(page) {
    if (!sessions.has(page)) {
      const session = await page.context().newCDPSession(page);
      await session.send("Performance.enable", { timeDomain: "threadTicks" });
      sessions.set(page, session);
    }
    const { metrics } = await sessions.get(page).send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  },
  size: (page, { width, height }) => page.setViewportSize({ width, height }),
  offline: (page, { offline }) => page.context().setOffline(offline),
  screenshot: (page, { path, ...options }) => page.screenshot({ path, ...options }).then(() => null),
  async axe(page) {
    await page.evaluate(axe);
    // A colour on its way from one theme to the other is no fault of either.
    await page.evaluate(() =>
      Promise.allSettled(
        document
          .getAnimations()
          .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
          .map((animation) => animation.finished),
      ),
    );
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      nodes: nodes.map((node) => `${node.html.slice(0, 200)} :: ${node.failureSummary}`),
    }));
  },
};

async function answer({ id, page: name, op, args }) {
  try {
    let ok;
    if (op === "open") ok = await ops.open(name, args);
    else if (op === "problems") ok = pages.get(name).problems;
    else {
      const { page, problems } = pages.get(name);
      ok = await ops[op](page, op === "tab" ? { ...args, problems } : args);
    }
    return { id, ok: ok ?? null };
  } catch (error) {
    return { id, error: String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  void answer(JSON.parse(line)).then((reply) => console.log(JSON.stringify(reply)));
}
await browser.close();

// A headless Chromium that uses the built page.

import path from "node:path";

import { chromium } from "playwright-core";

import { serve } from "../serve.js";

const DIST = path.resolve(import.meta.dirname, "../dist");
// a file that reference.py has written
export const made = (name) => path.join(import.meta.dirname, "made", name);
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

// plain: as on a host without headers of its own; query: of the address, such as "?threads=1";
// script: runs before the page's own.
// Returns { page, browser, requests, errors, address, close }.
export async function openPage({
  plain = false,
  flags = [],
  script,
  query = "",
  ...settings
} = {}) {
  const server = await serve(DIST, { plain });
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...flags],
  });
  const context = await browser.newContext({ acceptDownloads: true, ...settings });
  const page = await context.newPage();
  if (script) await page.addInitScript(script);
  const requests = [];
  const errors = [];
  context.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  const address = `http://127.0.0.1:${server.address().port}/`;
  await page.goto(address + query);
  await page.waitForSelector("#waiting", { state: "detached", timeout: 10_000 }).catch(() => {
    throw new Error(`the page does not start: ${errors}`);
  });
  return {
    page,
    browser,
    requests,
    errors,
    address,
    async close() {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

export async function choose(page, file) {
  await page.setInputFiles("#file", file);
  await page.waitForFunction(
    (name) =>
      document.getElementById("chosen-name").textContent === name ||
      !document.getElementById("mistake").hidden,
    path.basename(file),
  );
}

// Converts what is chosen; returns the path of the saved file.
export async function convert(page, target = "guitar") {
  await page.check(`input[value="${target}"]`, { force: true });
  await page.click("#convert");
  await page.waitForSelector("#save:not([hidden]), #mistake:not([hidden])", { timeout: 600_000 });
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  return download.path();
}

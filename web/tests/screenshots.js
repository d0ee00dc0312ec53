// Pictures of the page, to look at: node tests/screenshots.js FOLDER RECORDING

import path from "node:path";

import { choose, convert, openPage } from "./browser.js";

const [folder, recording] = process.argv.slice(2);
const VIEWS = {
  desktop: { viewport: { width: 1200, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1200, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, hasTouch: true },
};

for (const [name, settings] of Object.entries(VIEWS)) {
  const { page, close } = await openPage(settings);
  const shoot = (step) =>
    page.screenshot({ path: path.join(folder, `${name}-${step}.png`), fullPage: true });
  await shoot("start");
  await page.setInputFiles("#file", path.join(import.meta.dirname, "browser.js"));
  await page.waitForSelector("#mistake:not([hidden])");
  await shoot("mistake");
  await choose(page, recording);
  await page.check("input[value=any]", { force: true });
  await page.click("#convert");
  await page.getByText("% converted").waitFor();
  await shoot("running");
  await page.click("#stop");
  await convert(page, "guitar");
  await shoot("done");
  await close();
}

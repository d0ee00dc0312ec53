// Time and memory of a conversion in headless Chromium: node tests/speed.js RECORDING...
//
// Each recording on one thread, as on a host without the headers that threads need, and with
// threads. Memory: the most that the process of the page has held.

import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { choose, convert, openPage } from "./browser.js";
import { sound } from "./measures.js";

// Returns { seconds, length, threads, megabytes, file }.
export async function measure(recording, plain) {
  const { page, browser, close } = await openPage({ plain });
  await choose(page, recording);
  const began = performance.now();
  const file = await convert(page);
  const seconds = (performance.now() - began) / 1000;
  const { channels, rate } = sound(file);
  const threads = Number(await page.getAttribute("#result", "data-threads"));
  const megabytes = await peakMemory(browser);
  await close();
  return { seconds, length: channels[0].length / rate, channels: channels.length, threads, megabytes };
}

async function peakMemory(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const peaks = processInfo
    .filter(({ type }) => type === "renderer")
    .map(({ id }) => /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))[1] / 1e3);
  return Math.max(...peaks);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log("| recording | channels | threads | times real time | MB |\n|---|---|---|---|---|");
  for (const recording of process.argv.slice(2)) {
    for (const plain of [true, false]) {
      const { seconds, length, channels, threads, megabytes } = await measure(recording, plain);
      const speed = (length / seconds).toFixed(2);
      const cells = [path.basename(recording), channels, threads, speed, Math.round(megabytes)];
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
}

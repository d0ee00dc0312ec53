// Time and memory of a conversion in headless Chromium: node tests/speed.js RECORDING...
//
// Each recording with one worker that computes the network, and with as many as the page takes
// here. Of the process of the page: the seconds that all its threads have computed, which is what a
// single core would need; those of its busiest thread, which is the least that enough free cores
// would need; and the most memory that it has held.

import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { choose, convert, openPage } from "./browser.js";
import { sound } from "./measures.js";

const TICKS = 100; // of a second, in Linux's figures

// Returns { seconds, computed, busiest, length, channels, threads, megabytes }.
export async function measure(recording, query) {
  const { page, browser, close } = await openPage({ query });
  try {
    await choose(page, recording);
    const began = performance.now();
    const file = await convert(page);
    const seconds = (performance.now() - began) / 1000;
    const { channels, rate } = sound(file);
    const threads = Number(await page.getAttribute("body", "data-threads"));
    const length = channels[0].length / rate;
    return { seconds, length, channels: channels.length, threads, ...(await figures(browser)) };
  } finally {
    await close();
  }
}

// Of the page's process, which computes most.
async function figures(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const found = processInfo
    .filter(({ type }) => type === "renderer")
    .map(({ id }) => {
      const status = readFileSync(`/proc/${id}/status`, "utf8");
      const threads = readdirSync(`/proc/${id}/task`);
      return {
        megabytes: Math.round(/VmHWM:\s+(\d+)/.exec(status)[1] / 1e3),
        computed: computedBy(`/proc/${id}/stat`),
        busiest: Math.max(...threads.map((one) => computedBy(`/proc/${id}/task/${one}/stat`))),
      };
    });
  return found.reduce((one, other) => (other.computed > one.computed ? other : one));
}

// Seconds, in and for the process or thread of a file of Linux's figures.
function computedBy(file) {
  const times = readFileSync(file, "utf8").split(") ")[1].split(" ");
  return (Number(times[11]) + Number(times[12])) / TICKS;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(
    "| recording | threads | times real time | s, all threads | s, busiest thread | MB |",
  );
  console.log("|---|---|---|---|---|---|");
  for (const recording of process.argv.slice(2)) {
    for (const query of ["?threads=1", ""]) {
      const found = await measure(recording, query);
      const cells = [
        path.basename(recording),
        found.threads,
        (found.length / found.seconds).toFixed(2),
        found.computed,
        found.busiest,
        found.megabytes,
      ];
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
}

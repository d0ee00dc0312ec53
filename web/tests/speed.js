// Time and memory of a conversion in headless Chromium: node tests/speed.js RECORDING...
//
// Each recording with one worker that computes the network, and with as many as the page takes
// here. Of the process of the page: the seconds that all its threads have computed, which is what a
// single core would need, and the most memory that it has held.

import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { choose, convert, openPage } from "./browser.js";
import { sound } from "./measures.js";

const TICKS = 100; // of a second, in Linux's figures

// Returns { seconds, computed, length, channels, threads, megabytes }.
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
    return { seconds, length, channels: channels.length, threads, ...(await busiest(browser)) };
  } finally {
    await close();
  }
}

// Of the page's process, which computes most.
async function busiest(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const found = processInfo
    .filter(({ type }) => type === "renderer")
    .map(({ id }) => {
      const status = readFileSync(`/proc/${id}/status`, "utf8");
      const times = readFileSync(`/proc/${id}/stat`, "utf8").split(") ")[1].split(" ");
      return {
        megabytes: Math.round(/VmHWM:\s+(\d+)/.exec(status)[1] / 1e3),
        computed: (Number(times[11]) + Number(times[12])) / TICKS,
      };
    });
  return found.reduce((one, other) => (other.computed > one.computed ? other : one));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log("| recording | channels | threads | times real time | s computed | MB |");
  console.log("|---|---|---|---|---|---|");
  for (const recording of process.argv.slice(2)) {
    for (const query of ["?threads=1", ""]) {
      const { seconds, computed, length, channels, threads, megabytes } = await measure(
        recording,
        query,
      );
      const speed = (length / seconds).toFixed(2);
      const cells = [path.basename(recording), channels, threads, speed, computed, megabytes];
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
}

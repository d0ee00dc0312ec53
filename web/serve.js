// Serves a folder on this machine only.
//
//     node serve.js [FOLDER] [--port 8000] [--plain]
//
// --plain: without the headers that threads need, as many static hosts do.

import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".ogg": "audio/ogg",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

// The headers in the file _headers of a built page, which some static hosts read, too.
async function headersOf(folder) {
  const lines = (await readFile(path.join(folder, "_headers"), "utf8")).split("\n");
  return lines
    .filter((line) => line.startsWith(" "))
    .map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
}

// Returns a listening http.Server; port 0 takes one that is free.
export async function serve(folder, { port = 0, plain = false } = {}) {
  const headers = plain ? [] : await headersOf(folder);
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    const name = path.join(folder, decodeURIComponent(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
    const found = name.startsWith(folder + path.sep) && (await stat(name).catch(() => null));
    if (!found || !found.isFile()) return response.writeHead(404).end("not found");
    for (const [key, value] of headers) response.setHeader(key, value);
    response.setHeader("content-type", TYPES[path.extname(name)] ?? "application/octet-stream");
    response.setHeader("content-length", found.size);
    response.setHeader("cache-control", "no-cache");
    createReadStream(name).pipe(response);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return server;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: { type: "string", default: "8000" }, plain: { type: "boolean" } },
  });
  const folder = path.resolve(positionals[0] ?? path.join(import.meta.dirname, "dist"));
  try {
    const server = await serve(folder, { port: Number(values.port), plain: values.plain });
    console.log(`http://127.0.0.1:${server.address().port}/ (stop with Ctrl+C)`);
  } catch (error) {
    console.error(
      error.code === "EADDRINUSE"
        ? `port ${values.port}: in use; give another one: --port 8001`
        : `${folder}: no built page; make it: python -m web.build`,
    );
    process.exitCode = 2;
  }
}

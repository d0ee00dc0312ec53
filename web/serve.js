// Serves a folder on this machine only.
//
//     node serve.js [FOLDER] [--port 8000] [--plain]
//
// --plain: without the headers of the built page, as many static hosts do.

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
  const parts = lines.map((line) => /^ +([^:]+): (.*)$/.exec(line));
  return parts.filter(Boolean).map(([, key, value]) => [key, value]);
}

// The file of an address; null if it is not one of the folder.
function fileOf(folder, address) {
  try {
    const place = decodeURIComponent(new URL(address, "http://127.0.0.1").pathname);
    const name = path.join(folder, place.endsWith("/") ? `${place}index.html` : place);
    return name.startsWith(folder + path.sep) && !name.includes("\0") ? name : null;
  } catch {
    return null; // not an address
  }
}

// Returns a listening http.Server; port 0 takes one that is free.
export async function serve(folder, { port = 0, plain = false } = {}) {
  const headers = plain ? [] : await headersOf(folder);
  const server = http.createServer(async (request, response) => {
    const name = fileOf(folder, request.url);
    const found = name && (await stat(name).catch(() => null));
    if (!found?.isFile()) {
      response.writeHead(404).end("not found");
      return;
    }
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

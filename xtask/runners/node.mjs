// Runs a WebAssembly program with node's own WASI, told as the `wasmtime` command is:
//
//     node node.mjs [--dir HOST::GUEST] [--env NAME=VALUE] MODULE [ARGUMENT...]
//
// The module's exit code is the program's; a trap is 134.

import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const TRAPPED = 134;

const words = process.argv.slice(2);
const preopens = {};
const env = {};
while (words.length > 1 && ["--dir", "--env"].includes(words[0])) {
  const [option, value] = words.splice(0, 2);
  if (option === "--dir") {
    const [host, guest] = value.split("::");
    preopens[guest ?? host] = host;
  } else {
    const at = value.indexOf("=");
    env[value.slice(0, at)] = value.slice(at + 1);
  }
}
if (words.length === 0) {
  console.error("usage: node node.mjs [--dir HOST::GUEST] [--env NAME=VALUE] MODULE [ARGUMENT...]");
  process.exit(2);
}

const wasi = new WASI({ version: "preview1", args: words, env, preopens, returnOnExit: true });
try {
  const module = await WebAssembly.compile(await readFile(words[0]));
  const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport });
  process.exitCode = wasi.start(instance);
} catch (error) {
  console.error(error);
  process.exitCode = TRAPPED;
}

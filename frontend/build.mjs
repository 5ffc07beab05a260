// Builds what the gateway serves: `node build.mjs <folder>`. Modules become a few files named by their content, compressed beforehand;
// nothing is rewritten by evaluation, there are no source maps, and the licences of what is included come along.
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = dirname(fileURLToPath(import.meta.url));
const json = (/** @type {string} */ path) => JSON.parse(readFileSync(join(root, path), "utf8"));

// Below this a compressed answer saves no packet.
const worthCompressing = 512;
const lockPatience = 300_000;

// Tests import this module; a build runs it.
if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const out = resolve(process.argv[2] ?? join(root, "../artifacts/dawn/Release/www"));
  await locked(async () => {
    installModules();
    await build(out);
  });
}

/**
 * Builds into a folder, in place of what was there.
 * @param {string} out
 */
export async function build(out) {
  const { build: bundle } = await import("esbuild");
  const next = `${out}.next`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  const options = /** @type {const} */ ({
    absWorkingDir: root, bundle: true, minify: true, format: "esm", target: "es2022", charset: "utf8", legalComments: "none", metafile: true, outdir: next, logLevel: "warning",
  });
  const page = await bundle({ ...options, entryPoints: ["app.js", "style.css"], splitting: true, entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]" });
  // At its own address under every version: a browser asks there whether it has changed.
  await bundle({ ...options, entryPoints: ["worker.js"] });

  const outputs = Object.entries(page.metafile.outputs).map(([path, output]) => ({ ...output, name: relative(next, join(root, path)).split(sep).join("/") }));
  const built = (/** @type {string} */ entry) => /** @type {typeof outputs[0]} */ (outputs.find(output => output.entryPoint === entry));
  const app = built("app.js");
  const preloads = app.imports.filter(one => one.kind === "import-statement").map(one => `<link rel="modulepreload" href="./${relative(next, join(root, one.path)).split(sep).join("/")}">\n`);
  const html = readFileSync(join(root, "index.html"), "utf8")
    .replace("./style.css", `./${built("style.css").name}`)
    .replace("./app.js", `./${app.name}`)
    .replace("<script ", `${preloads.join("")}<script `);
  for (const name of readdirSync(join(root, "assets"))) {
    write(join(next, "assets", name), readFileSync(join(root, "assets", name)));
  }
  const shell = outputs.map(output => output.name).filter(name => !name.startsWith("seed-"));
  write(join(next, "shell.json"), JSON.stringify(["./", "assets/icon.svg", "assets/manifest.webmanifest", ...shell]));
  writeLicences(next, Object.keys(page.metafile.inputs));
  compress(next);
  write(join(next, "index.html"), html);

  rmSync(out, { recursive: true, force: true });
  renameSync(next, out);
}

/** @param {string} path @param {string | Uint8Array} content */
function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** @param {string} out @param {string[]} inputs */
function writeLicences(out, inputs) {
  const packages = new Set(inputs.map(path => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]).filter(name => name !== undefined));
  const texts = [...packages].sort().map(name => {
    const folder = join(root, "node_modules", name);
    const licence = readdirSync(folder).find(file => /^licen[cs]e/i.test(file));
    const { version, license } = json(`node_modules/${name}/package.json`);
    return `${name} ${version} (${license})\n\n${licence === undefined ? "" : readFileSync(join(folder, licence), "utf8")}`;
  });
  write(join(out, "licences.txt"), `The page includes these libraries:\n\n${texts.join(`\n\n${"-".repeat(72)}\n\n`)}`);
}

/** @param {string} folder */
function compress(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      compress(path);
      continue;
    }
    const content = readFileSync(path);
    if (content.length >= worthCompressing) {
      writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }));
      writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
    }
  }
}

/** What the page is built of and with, in the versions of package-lock.json; what only tests need is left out. */
function installModules() {
  const locked = json("package-lock.json").packages;
  const names = Object.keys(json("package.json").dependencies);
  const missing = names.filter(name => !existsSync(join(root, "node_modules", name)) || json(`node_modules/${name}/package.json`).version !== locked[`node_modules/${name}`].version);
  if (missing.length === 0) {
    return;
  }
  console.log(`Fetching ${missing.join(", ")} with npm.`);
  const { status, error } = spawnSync("npm", ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell: process.platform === "win32" });
  if (status !== 0) {
    console.error(`frontend: error DAWN001: npm could not fetch what the page is built of (${error?.message ?? `exit code ${status}`}). Check that npm reaches its registry, or build the node without its page: -p:Frontend=false`);
    process.exit(1);
  }
}

/**
 * Two builds at once, as of Debug and Release, take turns.
 * @param {() => Promise<void>} action
 */
async function locked(action) {
  const path = join(root, "obj", "build.lock");
  mkdirSync(dirname(path), { recursive: true });
  for (const began = Date.now(); ;) {
    try {
      closeSync(openSync(path, "wx"));
      break;
    } catch (error) {
      // One that was killed left it behind.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST" || Date.now() - began > lockPatience) {
        throw error;
      }
      if (existsSync(path) && Date.now() - statSync(path).mtimeMs > lockPatience) {
        rmSync(path, { force: true });
      }
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }
  process.on("exit", () => rmSync(path, { force: true }));
  await action();
}


// A page for parts that are tried alone: tests import what they need by `window.load`.
import { use } from "../../../i18n/index.js";

await use(new URL(location.href).searchParams.get("lang") ?? "en");
const heading = document.createElement("h1");
heading.textContent = "Parts";
const main = document.createElement("main");
main.append(heading);
document.body.append(main);
Object.assign(window, { main, load: (/** @type {string} */ path) => import(path) });
document.body.dataset.status = "ready";

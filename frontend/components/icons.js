// The page's icons: lines of one weight on a grid of 24, in the colour of the text beside them.
import { svg } from "./dom.js";

/** @type {Record<string, string>} */
const paths = {
  agents: "M4 6h16M4 12h16M4 18h10",
  arrowDown: "M12 5v14M6 13l6 6 6-6",
  attach: "M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7l-8.5 8.5a1.7 1.7 0 0 1-2.4-2.4l7.8-7.8",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18",
  close: "M6 6l12 12M18 6L6 18",
  command: "M4 17l6-5-6-5M12 19h8",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5",
  auto: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18M12 3v18M12 7l6 5M12 13l4 4",
  light: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  failed: "M12 8v5M12 16.2v.3M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18",
  file: "M6 3h8l5 5v13H6zM14 3v5h5",
  help: "M9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.7.4-1.1.9-1.1 1.8M12 16.5v.3M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18",
  language: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18M3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18",
  locked: "M7 11V8a5 5 0 0 1 10 0v3M5 11h14v9H5z",
  network: "M12 4.5a2 2 0 1 1 0 .1M5 17.5a2 2 0 1 1 0 .1M19 17.5a2 2 0 1 1 0 .1M11 8l-5 8M13 8l5 8M8 18h8",
  retry: "M4 12a8 8 0 0 1 14-5.3L20 9M20 4v5h-5M20 12a8 8 0 0 1-14 5.3L4 15M4 20v-5h5",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13M15.5 15.5L20 20",
  send: "M4 12l16-8-6 16-3-6z",
  stop: "M7 7h10v10H7z",
  tools: "M14.5 6.5a4 4 0 0 0-5.3 5L4 16.7 7.3 20l5.2-5.2a4 4 0 0 0 5-5.3l-2.6 2.6-2.5-.7-.6-2.4z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  unlocked: "M7 11V8a5 5 0 0 1 9.6-2M5 11h14v9H5z",
};

/** @param {string} name */
export const icon = name => svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" }, svg("path", { d: paths[name] }));

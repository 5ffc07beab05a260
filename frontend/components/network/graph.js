// The picture of the network. Whoever doesn't see it has the table, which says the same.
import { t } from "../../i18n/index.js";
import { h, set, svg } from "../dom.js";
import { shortId } from "./fingerprint.js";
import { layout, maxDrawn } from "./layout.js";

/** @typedef {import("./model.js").GraphNode} GraphNode */
/** @typedef {import("./model.js").GraphLink} GraphLink */
/** @typedef {import("./layout.js").Point} Point */

/** @typedef {{ width: number, height: number, margin: number }} Area */

// About as large as where it is drawn: what is drawn for a desk is too small to read on a phone. The narrowest first.
/** @type {readonly (Area & { name: string, below: number })[]} */
const areas = [{ name: "phone", width: 280, height: 300, margin: 44, below: 360 }, { name: "narrow", width: 420, height: 400, margin: 56, below: 540 }, { name: "medium", width: 600, height: 380, margin: 56, below: 720 }, { name: "wide", width: 800, height: 440, margin: 56, below: Infinity }];
const glideMs = 400;

export class Graph {
  /** @type {Map<string, Point>} */
  #places = new Map();
  /** @type {Map<string, SVGGElement>} */
  #marks = new Map();
  /** @type {Map<string, { line: SVGLineElement, text: SVGTextElement, link: GraphLink }>} */
  #lines = new Map();
  #shape = "";
  #frame = 0;
  #lineLayer = svg("g", {});
  #nodeLayer = svg("g", {});
  #picture = svg("svg", { class: "graph", role: "img" }, this.#lineLayer, this.#nodeLayer);
  #area = areas[areas.length - 1];
  /** @type {(() => void) | null} */
  #again = null;
  #watch = new ResizeObserver(() => this.#areaNow() !== this.#area && this.#again?.());
  #note = h("p", { class: "field-hint" });
  #choose;
  element = h("div", { class: "graph-frame" }, this.#picture, this.#note);

  /** @param {(id: string) => void} choose */
  constructor(choose) {
    this.#choose = choose;
    this.#watch.observe(this.element);
  }

  /** @param {GraphNode[]} nodes @param {GraphLink[]} links @param {(node: GraphNode) => string} nameOf @param {(node: GraphNode) => string} trustOf @param {string | null} chosen */
  show(nodes, links, nameOf, trustOf, chosen) {
    this.#again = () => this.show(nodes, links, nameOf, trustOf, chosen);
    this.#area = this.#areaNow();
    set(this.#picture, { viewBox: `0 0 ${this.#area.width} ${this.#area.height}`, "data-area": this.#area.name });
    // The nearest first: they are drawn where there are too many.
    const ordered = [...nodes].sort((a, b) => rank(a) - rank(b)).slice(0, maxDrawn);
    const drawn = new Set(ordered.map(node => node.id));
    const edges = links.filter(link => drawn.has(link.from) && drawn.has(link.to));
    this.#picture.setAttribute("aria-label", t("network.graph", { count: nodes.length, links: edges.length }));
    this.#note.hidden = nodes.length <= maxDrawn;
    this.#note.textContent = t("network.graphBound", { drawn: maxDrawn, count: nodes.length });

    keep(this.#marks, drawn, mark => mark.remove());
    for (const node of ordered) {
      const mark = this.#mark(node.id);
      set(mark, { "data-kind": node.kind, "data-status": node.state, "data-trust": trustOf(node), "data-chosen": node.id === chosen });
      const [title, , , name] = /** @type {any} */ (mark.children);
      name.textContent = nameOf(node).slice(0, 24);
      title.textContent = `${nameOf(node)} · ${shortId(node.id)}`;
    }
    const keys = new Map(edges.map(link => [`${link.from} ${link.to}`, link]));
    keep(this.#lines, new Set(keys.keys()), ({ line, text }) => { line.remove(); text.remove(); });
    for (const [key, link] of keys) {
      this.#line(key, link);
    }

    const shape = JSON.stringify([this.#area.width, ...drawn, ...keys.keys()]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      const before = this.#places;
      this.#places = layout(ordered.map(node => ({ id: node.id, isCentre: node.kind === "home" })), edges, this.#area, before);
      this.#glide(before);
    }
  }

  /** The picture is left. */
  stop() {
    cancelAnimationFrame(this.#frame);
    this.#watch.disconnect();
  }

  #areaNow() {
    const { clientWidth } = this.element;
    return clientWidth === 0 ? areas[areas.length - 1] : /** @type {typeof areas[0]} */ (areas.find(area => clientWidth < area.below));
  }

  /** @param {string} id */
  #mark(id) {
    let mark = this.#marks.get(id);
    if (mark === undefined) {
      mark = svg("g", { class: "graph-node", onclick: () => this.#choose(id) }, svg("title", {}), svg("circle", { r: 22, class: "graph-halo" }), svg("circle", { r: 14 }), svg("text", { y: 32, "text-anchor": "middle" }));
      this.#marks.set(id, mark);
      this.#nodeLayer.append(mark);
    }
    return mark;
  }

  /** @param {string} key @param {GraphLink} link */
  #line(key, link) {
    const known = this.#lines.get(key) ?? { line: svg("line", { class: "graph-link" }), text: svg("text", { class: "graph-label", "text-anchor": "middle" }), link };
    known.link = link;
    set(known.line, { "data-kind": link.kind, "data-encryption": link.encryption });
    known.text.textContent = [link.transport, link.rttMs === null ? "" : milliseconds(link.rttMs)].filter(Boolean).join(" · ");
    if (!this.#lines.has(key)) {
      this.#lines.set(key, known);
      this.#lineLayer.append(known.line, known.text);
    }
  }

  /** From where they were to where they are; at once where motion is unwanted. @param {ReadonlyMap<string, Point>} before */
  #glide(before) {
    cancelAnimationFrame(this.#frame);
    if (before.size === 0 || matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.#place(id => this.#places.get(id));
      return;
    }
    const start = performance.now();
    const step = () => {
      const part = Math.min(1, (performance.now() - start) / glideMs);
      const eased = 1 - (1 - part) ** 3;
      this.#place(id => {
        const [to, from] = [this.#places.get(id), before.get(id)];
        return to && from ? { x: from.x + (to.x - from.x) * eased, y: from.y + (to.y - from.y) * eased } : to;
      });
      if (part < 1 && this.element.isConnected) {
        this.#frame = requestAnimationFrame(step);
      }
    };
    step();
  }

  /** @param {(id: string) => Point | undefined} at */
  #place(at) {
    for (const [id, mark] of this.#marks) {
      const place = at(id);
      if (place !== undefined) {
        mark.setAttribute("transform", `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})`);
      }
    }
    for (const { line, text, link } of this.#lines.values()) {
      const [a, b] = [at(link.from), at(link.to)];
      if (a !== undefined && b !== undefined) {
        set(line, { x1: a.x, y1: a.y, x2: b.x, y2: b.y });
        set(text, { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 - 6 });
      }
    }
  }
}

/** @param {GraphNode} node */
const rank = node => node.kind === "home" ? 0 : node.kind === "self" ? 1 : node.state === "connected" ? 2 : node.link !== null ? 3 : node.state === "dead" ? 5 : 4;

/** @template T @param {Map<string, T>} all @param {ReadonlySet<string>} wanted @param {(one: T) => void} drop */
function keep(all, wanted, drop) {
  for (const [key, one] of all) {
    if (!wanted.has(key)) {
      drop(one);
      all.delete(key);
    }
  }
}

/** @param {number} ms */
export const milliseconds = ms => ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;

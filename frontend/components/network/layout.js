// Where nodes lie in a picture: a small force layout (Fruchterman and Reingold, 1991), from the same beginning for the same network.

/** @typedef {{ x: number, y: number }} Point */

/** Pictures of more nodes tell nothing; the table has them all. */
export const maxDrawn = 120;
const rounds = 150;

/**
 * @param {readonly { id: string, isCentre?: boolean }[]} nodes At most {@link maxDrawn} are placed.
 * @param {readonly { from: string, to: string }[]} links
 * @param {{ width: number, height: number, margin: number }} area
 * @param {ReadonlyMap<string, Point>} [before] Where they were: they stay near, so that the eye finds them again.
 * @returns {Map<string, Point>}
 */
export function layout(nodes, links, { width, height, margin }, before = new Map()) {
  const drawn = nodes.slice(0, maxDrawn);
  const places = drawn.map(({ id }, index) => {
    const [angle, distance] = [index * 2.399963, 0.45 * Math.sqrt((index + 0.5) / drawn.length)]; // a sunflower: no two in one place
    return { ...(before.get(id) ?? { x: width * (0.5 + distance * Math.cos(angle)), y: height * (0.5 + distance * Math.sin(angle)) }) };
  });
  const at = new Map(drawn.map(({ id }, index) => [id, index]));
  const edges = links.map(({ from, to }) => [at.get(from), at.get(to)]).filter(/** @returns {edge is [number, number]} */ edge => edge[0] !== undefined && edge[1] !== undefined);
  const ideal = 0.75 * Math.sqrt(width * height / Math.max(1, drawn.length));
  const centre = drawn.findIndex(node => node.isCentre);
  for (let round = 0; round < rounds; round++) {
    const moves = places.map(() => ({ x: 0, y: 0 }));
    const push = (/** @type {number} */ a, /** @type {number} */ b, /** @type {(distance: number) => number} */ force) => {
      // Two in one place part by their numbers, not by chance.
      const [dx, dy] = [places[a].x - places[b].x || 0.01 * (a - b), places[a].y - places[b].y || 0.01];
      const distance = Math.max(1, Math.hypot(dx, dy));
      const strength = force(distance) / distance;
      moves[a].x += dx * strength;
      moves[a].y += dy * strength;
      moves[b].x -= dx * strength;
      moves[b].y -= dy * strength;
    };
    for (let a = 0; a < places.length; a++) {
      for (let b = 0; b < a; b++) {
        push(a, b, distance => ideal * ideal / distance);
      }
    }
    edges.forEach(([a, b]) => push(a, b, distance => -distance * distance / ideal));
    const heat = 0.1 * Math.min(width, height) * (1 - round / rounds);
    places.forEach((place, index) => {
      const move = moves[index];
      // What hangs on nothing would fly to the edge.
      move.x += (width / 2 - place.x) * 0.4;
      move.y += (height / 2 - place.y) * 0.4;
      const length = Math.max(0.001, Math.hypot(move.x, move.y));
      place.x = clamp(place.x + move.x / length * Math.min(length, heat), margin, width - margin);
      place.y = clamp(place.y + move.y / length * Math.min(length, heat), margin, height - margin);
    });
    if (centre >= 0) {
      places[centre] = { x: width / 2, y: height / 2 };
    }
  }
  return new Map(drawn.map(({ id }, index) => [id, places[index]]));
}

/** @param {number} value @param {number} least @param {number} most */
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

// Arguments of a slash command, as people type them: `/roll {"dice":"3d6"}`, `/roll dice=3d6` or `/roll 3d6`.

/**
 * @param {any} schema The tool's input schema. @param {string} text
 * @returns {Record<string, unknown>}
 * @throws {SyntaxError}
 */
export function readArguments(schema, text) {
  const rest = text.trim();
  if (rest === "") {
    return {};
  }
  if (rest.startsWith("{")) {
    return JSON.parse(rest);
  }
  const properties = schema?.properties ?? {};
  const pairs = [...rest.matchAll(/(?:^|\s)([\w-]+)=("(?:[^"\\]|\\.)*"|\S+)/g)];
  if (pairs.length > 0 && pairs.every(([, name]) => name in properties)) {
    return Object.fromEntries(pairs.map(([, name, value]) => [name, convert(properties[name], value.startsWith('"') ? JSON.parse(value) : value)]));
  }
  // All of it is the one argument that matters.
  const names = Object.keys(properties);
  const main = schema?.required?.[0] ?? names[0];
  return main === undefined ? {} : { [main]: convert(properties[main], rest) };
}

/** @param {any} schema @param {string} value @returns {unknown} */
function convert(schema, value) {
  const types = [schema?.type].flat();
  if ((types.includes("number") || types.includes("integer")) && value.trim() !== "" && Number.isFinite(Number(value))) {
    return Number(value);
  }
  if (types.includes("boolean") && (value === "true" || value === "false")) {
    return value === "true";
  }
  if ((types.includes("array") || types.includes("object")) && /^[[{]/.test(value)) {
    return JSON.parse(value);
  }
  return types.includes("array") ? value.split(",").map(one => convert(schema.items, one.trim())) : value;
}

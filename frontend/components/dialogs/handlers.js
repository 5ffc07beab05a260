// What an agent may ask of the person in front of the page, as options for a connection.
import { elicit } from "./elicitation.js";
import { sample } from "./sampling.js";

/**
 * For `LightNode.connect`: `node.connect(address, { ...askingPerson(entry), … })`.
 * @param {{ title: string, address: string }} agent Who is connected to, and named in what it asks.
 * @returns {Required<Pick<import("../../services/mcp.js").McpOptions, "capabilities" | "handlers">>}
 */
export const askingPerson = agent => ({
  capabilities: { elicitation: { form: {}, url: {} }, sampling: {} },
  handlers: {
    "elicitation/create": (params, { signal }) => elicit(agent, params, signal),
    "sampling/createMessage": (params, { signal }) => sample(agent, params, signal),
  },
});

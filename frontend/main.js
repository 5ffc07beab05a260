// The page: a light node, and what it sees.
import { DawnError } from "./services/errors.js";
import { LightNode } from "./services/node.js";
import { ticketIn } from "./services/ticket.js";

/** @param {string} id */
const element = id => /** @type {HTMLElement} */ (document.getElementById(id));

const ticket = ticketIn(location.hash);
if (ticket !== null) {
  // Used once, and not to be copied along with the address.
  history.replaceState(null, "", location.pathname);
}

try {
  const node = await LightNode.open({ url: location.origin, ticket });
  const show = () => {
    const { state, network, error } = node.status;
    document.body.dataset.status = state;
    element("status").textContent = [state, network, error?.message].filter(Boolean).join(" · ");
    element("agents").replaceChildren(...node.agents().map(agent => {
      const item = document.createElement("li");
      item.textContent = `${agent.title || agent.agent} (${agent.agent} at ${agent.node.slice(0, 10)}…)${agent.online ? "" : ", offline"}`;
      return item;
    }));
  };
  node.addEventListener("status", show);
  node.addEventListener("agents", show);
  addEventListener("online", () => node.retry());
  addEventListener("pagehide", () => void node.close());
  addEventListener("pageshow", event => event.persisted && location.reload());
  show();
} catch (error) {
  element("status").textContent = error instanceof DawnError ? error.message : "The page failed to start.";
  throw error;
}

// The network, over the page: who is in it, how they are connected, and whose keys were compared.
import "../network/network.js";
import { t } from "../../i18n/index.js";
import { openStore } from "../../services/store.js";
import { openDialog } from "./dialog.js";

/** @param {import("../../state/state.js").State} state */
export async function openNetwork(state) {
  const view = /** @type {import("../network/network.js").DawnNetwork} */ (document.createElement("dawn-network"));
  view.node = state.node;
  view.connect = (address, options) => state.agents.connect(address, options);
  view.store = await openStore(indexedDB, "dawn-verifications");
  const dialog = openDialog(t("app.network"), [view], { className: "wide-dialog", testId: "network-sheet" });
  view.addEventListener("dawn-open-agent", event => {
    dialog.close();
    state.open(/** @type {CustomEvent<string>} */ (event).detail);
  });
}

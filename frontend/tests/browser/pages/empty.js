// Whether libraries come by their names.
import { Validator } from "@cfworker/json-schema";
import { renderSVG } from "uqr";

document.body.dataset.status = new Validator({ type: "string" }, "2020-12").validate("x").valid && renderSVG("x").startsWith("<svg") ? "ready" : "failed";

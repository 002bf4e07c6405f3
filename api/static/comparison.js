// The figure over model sizes is fetched when its fold is opened, and again for another theme.
import { draw, figureNode } from "./figure.js";

const id = document.querySelector("[data-sweep]").dataset.sweep;
const address = (theme) => `/api/v1/sweeps/${encodeURIComponent(id)}/figure?figure=transfer&theme=${theme}`;

async function redraw() {
  // The page says so itself when the service does not answer.
  if (figureNode("transfer")?.closest("details").open) await draw(address, undefined, "transfer").catch(() => {});
}

// `toggle` does not bubble, but it is captured: folds that are put in later are heard, too.
document.addEventListener("toggle", (event) => { if (event.target.id === "sizes") redraw(); }, true);
document.addEventListener("theme", redraw);
redraw();

// The heat map of a sweep of two axes, drawn anew whenever the page has new numbers.
import { draw, onClickOpenTrial, pictureButtons } from "./figure.js";
import { throttled } from "./live.js";

const id = document.querySelector("[data-sweep]").dataset.sweep;
const address = (theme) => `/api/v1/sweeps/${encodeURIComponent(id)}/figure?figure=heatmap&theme=${theme}`;

let followed = false;
async function redraw() {
  // The page says so itself when the service does not answer.
  await draw(address, undefined, "heatmap").catch(() => {});
  if (!followed) onClickOpenTrial("heatmap");
  followed = true;
}

const update = throttled(redraw, 500);
document.addEventListener("refreshed", update);
document.addEventListener("theme", update);
pictureButtons(`sweep-${id}-heatmap`, "heatmap");
update();

import { draw, pictureButtons } from "./figure.js";
import { refresh, rememberFolds } from "./live.js";

const id = document.querySelector("[data-trial]").dataset.trial;
const lost = document.getElementById("lost");
const shown = document.getElementById("shown");
const ended = () => document.querySelector('[data-live="state"]').dataset.ended === "yes";
const redraw = () => draw((theme) => `/api/v1/trials/${encodeURIComponent(id)}/figure?theme=${theme}&figure=${shown.value}`);

async function look() {
  try {
    await Promise.all([refresh(), redraw()]);
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
  if (!ended()) setTimeout(look, 2000);
}

rememberFolds();
pictureButtons(`trial-${id}`);
shown.addEventListener("change", () => redraw().catch(() => { lost.hidden = false; }));
document.addEventListener("theme", () => redraw().catch(() => { lost.hidden = false; }));
look();

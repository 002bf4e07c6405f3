import "./copy.js";
import { draw, figureNode, onClickOpenTrial, pictureButtons } from "./figure.js";
import { refresh, remember, rememberFolds, throttled } from "./live.js";

const id = document.querySelector("[data-sweep]").dataset.sweep;
const api = `/api/v1/sweeps/${encodeURIComponent(id)}`;
const lost = document.getElementById("lost");
const query = () => new URL(location.href).searchParams;
const ended = () => document.getElementById("state").dataset.ended === "yes";

// Parts of the figure and hidden curves live in the query string, like everything one can set.
const parts = [...document.querySelectorAll("[data-part]")];
for (const box of parts) {
  box.checked = query().get(box.dataset.part) !== "0";
  box.addEventListener("change", () => {
    remember(box.dataset.part, box.checked ? null : "0");
    update();
  });
}
const hidden = () => new Set(query().getAll("hide"));

function address(theme) {
  const asked = new URLSearchParams({ theme });
  for (const box of parts) if (!box.checked) asked.set(box.dataset.part, "false");
  if (query().get("tolerance")) asked.set("tolerance", query().get("tolerance"));
  return `${api}/figure?${asked}`;
}

function prepare(figure) {
  const off = hidden();
  for (const trace of figure.data) {
    if (off.has(trace.legendgroup ?? trace.name)) trace.visible = "legendonly";
  }
}

function rememberHidden() {
  const groups = new Set();
  for (const trace of figureNode().data) {
    if (trace.visible === "legendonly") groups.add(trace.legendgroup ?? trace.name);
  }
  const url = new URL(location.href);
  url.searchParams.delete("hide");
  for (const group of groups) url.searchParams.append("hide", group);
  history.replaceState(null, "", url);
}

let followed = false;
async function redraw() {
  await draw(address, prepare);
  if (followed) return;
  followed = true;
  onClickOpenTrial();
  figureNode().on("plotly_restyle", rememberHidden);
}

const update = throttled(async () => {
  try {
    await Promise.all([refresh(), redraw()]);
    document.dispatchEvent(new Event("refreshed"));
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}, 500);

// Events tell when to look; without them a look every two seconds shows the same. A browser opens
// six connections to one host, so a tab that nobody sees gives its stream back and looks seldom.
let poll = null;
let source = null;
let again = null;
function look(gap) {
  clearInterval(poll);
  poll = gap === null ? null : setInterval(update, gap);
}

function follow() {
  clearTimeout(again);
  source?.close();
  source = null;
  if (ended()) return look(null);
  if (document.hidden) return look(5000);
  source = new EventSource(`${api}/events?after=${newestEvent()}`);
  source.addEventListener("open", () => {
    look(null);
    update();
  });
  for (const kind of KINDS) source.addEventListener(kind, update);
  source.addEventListener("bye", () => {
    source.close();
    update();
    again = setTimeout(follow, 3000);
  });
  source.addEventListener("error", () => {
    // If the service is gone, this look fails and says so.
    update();
    if (poll === null) look(2000);
    // A browser comes back by itself after a broken connection, not after a refusal.
    if (source.readyState === EventSource.CLOSED) again = setTimeout(follow, 3000);
  });
  return undefined;
}
document.addEventListener("visibilitychange", () => {
  if (ended()) return;
  follow();
  update();
});
const KINDS = ["progress", "submitted", "imported", "cancelled", "paused", "resumed", "retried", "started",
  "trial_done", "trial_failed", "returned", "split", "extended", "refined", "asked", "settled", "edited"];
const newestEvent = () => document.querySelector("[data-newest-event]")?.dataset.newestEvent ?? 0;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-action]");
  if (!button) return;
  const action = button.dataset.action;
  if (action === "cancel" && !confirm("Cancel this sweep for good? Finished points stay.")) return;
  button.disabled = true;
  const complaint = document.getElementById("action-error");
  const answer = await fetch(`${api}/${action}`, { method: "POST" }).catch(() => null);
  complaint.hidden = answer?.ok ?? false;
  if (!complaint.hidden) {
    const problem = await answer?.json().catch(() => null);
    complaint.textContent = problem?.detail ?? "The service does not answer.";
  }
  button.disabled = false;
  document.getElementById("main").tabIndex = -1;
  document.getElementById("main").focus({ preventScroll: true });
  await refresh().catch(() => { lost.hidden = false; });
  document.dispatchEvent(new Event("changed"));
});

// Whatever has changed the sweep: it may have work again.
document.addEventListener("changed", () => {
  if (!ended() && source === null) follow();
  update();
});

// The tolerance keeps the rest of the view. A search has no basins.
document.querySelector("[data-keep]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  remember("tolerance", new FormData(event.target).get("tolerance"));
  update();
});

rememberFolds();
pictureButtons(`sweep-${id}`);
document.addEventListener("theme", update);
redraw().catch(() => { lost.hidden = false; });
follow();

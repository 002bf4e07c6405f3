import "./copy.js";
import { adapt } from "./form_adapt.js";
import { showErrors } from "./form_errors.js";
import { boxes, byId, field, form, given } from "./form_fields.js";
import { clearForm, fill } from "./form_fill.js";
import { dropPreview, preview, send } from "./form_preview.js";
import { build } from "./form_request.js";
import { suggestSearched } from "./form_search.js";

// A sweep that the form cannot show is kept whole and sent as it stands.
let asIs = null;
const request = () => asIs ? { spec: asIs, places: [] } : build();

// A range that nobody has touched follows the hyperparameter.
let parameterBefore = field("parameter").value;
function suggestRange() {
  const before = given.ranges[parameterBefore] ?? ["", ""];
  parameterBefore = field("parameter").value;
  if (field("low").value !== before[0] || field("high").value !== before[1]) return;
  [field("low").value, field("high").value] = given.ranges[parameterBefore] ?? ["", ""];
}

// What the server wants to be sent twice, as it takes longer than its limit.
let confirmed = null;
function askAgain(sent) {
  confirmed = sent;
  byId("submit").textContent = sent === null ? "Submit sweep" : "Submit it all the same";
}

// The study's values for a second axis, and the usual multiples, while there are none.
function suggestValues(name) {
  const multiples = field(name.replace("mode", "multiples"));
  if (name.endsWith("mode") && !multiples.value) multiples.value = given.multiples;
  if (name !== "second.parameter" || field("second.values").value) return;
  field("second.values").value = given.values[field(name).value] ?? "";
}

let timer = null;
function changed() {
  askAgain(null);
  adapt();
  rememberForm();
  clearTimeout(timer);
  timer = setTimeout(() => preview(request()), 250);
}

// The whole form is in the query string, without what is empty.
function rememberForm() {
  const kept = new URLSearchParams();
  for (const [key, value] of new FormData(form)) if (value.trim()) kept.append(key, value);
  if (asIs) kept.set("preset", byId("preset").value);
  history.replaceState(null, "", `${location.pathname}?${kept}`);
}

function restore(query) {
  clearForm();
  for (const control of form.elements) {
    if (!control.name) continue;
    if (control.type === "checkbox") control.checked = query.getAll(control.name).includes(control.value);
    else control.value = query.get(control.name) ?? "";
  }
  parameterBefore = field("parameter").value;
}

function take(spec) {
  asIs = fill(spec) ? null : spec;
  parameterBefore = field("parameter").value;
  byId("as-is").hidden = !asIs;
  changed();
}

byId("preset").addEventListener("change", () => {
  const spec = given.presets[byId("preset").value];
  byId("preset-summary").textContent = byId("preset").selectedOptions[0].title;
  if (spec) take(spec);
});
byId("edit-anyway").addEventListener("click", () => {
  asIs = null;
  byId("as-is").hidden = true;
  changed();
});
// One key per attempt at one request: pressing twice submits once.
let key = null;
form.addEventListener("input", (event) => {
  if (event.target.id === "preset") return;
  if (event.target.id === "parameter") suggestRange();
  suggestValues(event.target.name);
  suggestSearched(event.target.name);
  key = null;
  changed();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearTimeout(timer);
  dropPreview();
  const { spec, places } = request();
  const sent = JSON.stringify(spec);
  if (key?.sent !== sent) key = { sent, text: randomText() };
  byId("submit").disabled = true;
  const path = confirmed === sent ? "/api/v1/sweeps?confirm=true" : "/api/v1/sweeps";
  const { ok, body } = await send(path, spec, { "idempotency-key": key.text })
    .catch(() => ({ ok: false, body: { detail: "The service does not answer.", errors: [] } }));
  if (ok) {
    location.href = `/sweeps/${encodeURIComponent(body.id)}`;
    return;
  }
  byId("submit").disabled = false;
  askAgain(body.type?.endsWith(":needs-confirmation") ? sent : null);
  const first = showErrors(body.errors, places);
  if (!body.errors.length) byId("general-error").textContent = body.detail;
  first?.focus();
});

function randomText() {
  // randomUUID exists in secure contexts only, and a trusted network may be without TLS.
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("-");
}

// A curve through what a search has found, over the first hyperparameter of it.
function throughBest({ id, name, spec: { search, ...rest } }) {
  const over = Object.keys(search.over);
  const parameter = over.includes("lr") ? "lr" : over[0];
  const axis = { parameter, multiples: given.multiples.split(" ").map(Number) };
  return { ...rest, name: `${parameter} through ${name}`.slice(0, 120), axis, centre: id };
}

async function start() {
  const query = new URL(location.href).searchParams;
  if (query.has("from")) {
    const answer = await fetch(`/api/v1/sweeps/${encodeURIComponent(query.get("from"))}`);
    const spec = answer.ok ? (await answer.json()).spec : { missing: true };
    if (!spec.missing && !spec.imported_from) return take(spec);
    byId("preset-summary").textContent = spec.missing
      ? `There is no sweep ${query.get("from")} to start from.`
      : `Sweep ${query.get("from")} was imported: there is no request to start from.`;
  }
  if (query.has("through")) {
    const answer = await fetch(`/api/v1/sweeps/${encodeURIComponent(query.get("through"))}`);
    const found = answer.ok ? await answer.json() : null;
    if (found?.spec.search) return take(throughBest(found));
    byId("preset-summary").textContent = `There is no search ${query.get("through")}.`;
  }
  const preset = query.get("preset");
  if (preset in given.presets) {
    byId("preset").value = preset;
    return take(given.presets[preset]);
  }
  // A form that was remembered always has its hyperparameter.
  if (query.has("parameter")) restore(query);
  else {
    field("o.adamw").checked = true;
    boxes("scales")[0].checked = true;
    boxes("architectures")[0].checked = true;
  }
  return changed();
}
start();

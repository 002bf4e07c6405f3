import "./copy.js";

const form = document.getElementById("new");
const given = JSON.parse(document.getElementById("form-data").textContent);
const byId = (id) => document.getElementById(id);
const field = (name) => form.elements.namedItem(name);
const boxes = (name) => [...form.querySelectorAll(`input[name="${name}"]`)];
const optimizerNames = Object.keys(given.has);

// A sweep that the form cannot show is kept whole and sent as it stands.
let asIs = null;

const number = (text) => {
  const parsed = Number(text);
  // What is no number goes as it is: the service says what is wrong with it.
  return text.trim() !== "" && Number.isFinite(parsed) ? parsed : text.trim();
};
const numbers = (text) => text.split(/[\s,;]+/).filter(Boolean).map(number);
// As the study writes them: 3.16e-4 rather than 0.000316.
const written = (value) => {
  const size = Math.abs(value);
  return typeof value !== "number" || value === 0 || (size >= 0.01 && size < 1e4) ? String(value) : value.toExponential().replace("+", "");
};
const filled = (name) => field(name)?.value.trim() ?? "";
const customary = () => given.axisScales[field("parameter").value] ?? "linear";

/** The request, and for every part of it the control that an error belongs to. */
function build() {
  const places = [];
  const place = (pointer, name) => places.push([pointer, typeof name === "string" ? field(name) : name]);
  const spec = { name: filled("name") || field("name").placeholder, axis: axis(place) };
  place("/name", "name");
  place("", byId("general-error"));
  spec.optimizers = optimizerNames.filter((name) => field(`o.${name}`).checked)
    .map((name, i) => optimizer(name, `/optimizers/${i}`, place));
  place("/optimizers", byId("optimizers-error"));
  for (const group of ["scales", "architectures"]) {
    spec[group] = boxes(group).filter((box) => box.checked).map((box) => box.value);
    place(`/${group}`, boxes(group)[0].closest(".checks"));
  }
  spec.seeds = numbers(filled("seeds"));
  place("/seeds", "seeds");
  const base = {};
  for (const control of form.elements) {
    if (!control.name.startsWith("b.")) continue;
    const key = control.name.slice(2);
    if (control.value.trim()) base[key] = control.tagName === "SELECT" ? control.value : number(control.value);
    place(`/base/${key}`, control);
  }
  if (Object.keys(base).length) spec.base = base;
  if (filled("data")) spec.data = filled("data");
  if (filled("priority")) spec.priority = number(filled("priority"));
  place("/priority", "priority");
  if (field("fresh").checked) spec.fresh = true;
  return { spec, places };
}

function axis(place) {
  const found = { parameter: field("parameter").value };
  if (filled("scale")) found.scale = filled("scale");
  place("/axis/parameter", "parameter");
  place("/axis/scale", "scale");
  if (filled("mode") === "list") {
    found.values = numbers(filled("values"));
    place("/axis/values", "values");
    place("/axis", "values");
  } else {
    for (const key of ["low", "high", "points"]) {
      if (filled(key)) found[key] = number(filled(key));
      place(`/axis/${key}`, key);
    }
    place("/axis", "low");
  }
  if (field("zero").checked) found.zero = true;
  place("/axis/zero", "zero");
  return found;
}

function optimizer(name, pointer, place) {
  const prefix = `o.${name}.`;
  const found = { name };
  for (const control of form.elements) {
    if (!control.name.startsWith(prefix)) continue;
    const key = control.name.slice(prefix.length);
    if (control.type === "checkbox") {
      if (control.checked && !given.has[name].includes(field("parameter").value)) found[key] = true;
    } else if (control.value.trim() && !control.disabled) {
      if (key === "values") found.values = numbers(control.value);
      else found[key] = key === "label" ? control.value.trim() : number(control.value);
    }
    place(`${pointer}/${key}`, control);
  }
  place(pointer, field(`o.${name}`).closest(".optimizer"));
  return Object.keys(found).length === 1 ? name : found;
}

/** Show a sweep in the form; whether all of it could be shown. */
function fill(spec) {
  clearForm();
  field("name").value = spec.name ?? "";
  field("parameter").value = spec.axis.parameter;
  field("scale").value = spec.axis.scale ?? "";
  field("mode").value = spec.axis.values ? "list" : "";
  field("values").value = (spec.axis.values ?? []).map(written).join(" ");
  for (const key of ["low", "high", "points"]) field(key).value = written(spec.axis[key] ?? "");
  field("zero").checked = spec.axis.zero ?? false;
  for (const entry of spec.optimizers) fillOptimizer(typeof entry === "string" ? { name: entry } : entry);
  for (const group of ["scales", "architectures"]) {
    const chosen = spec[group] ?? [boxes(group)[0].value];
    for (const box of boxes(group)) box.checked = chosen.includes(box.value);
  }
  field("seeds").value = (spec.seeds ?? [0]).join(" ");
  for (const [key, value] of Object.entries(spec.base ?? {})) {
    const control = field(`b.${key}`);
    if (control && typeof value !== "object") control.value = value;
  }
  field("data").value = spec.data && spec.data !== "embedded" ? spec.data : "";
  field("priority").value = spec.priority || "";
  field("fresh").checked = spec.fresh ?? false;
  adapt();
  return covers(build().spec, spec);
}

function fillOptimizer(entry) {
  const box = field(`o.${entry.name}`);
  if (!box || box.checked) return;
  box.checked = true;
  for (const [key, value] of Object.entries(entry)) {
    const control = field(`o.${entry.name}.${key}`);
    if (!control) continue;
    if (control.type === "checkbox") control.checked = value;
    else if (typeof value !== "object" || Array.isArray(value)) control.value = Array.isArray(value) ? value.map(written).join(" ") : written(value);
  }
}

function clearForm() {
  for (const control of form.elements) {
    if (control.type === "checkbox") control.checked = false;
    else if (control.tagName === "INPUT") control.value = "";
  }
}

/** Whether everything the sweep says is in the request that the form builds. */
function covers(built, spec) {
  const norm = (entry) => JSON.stringify(Object.entries(typeof entry === "string" ? { name: entry } : entry).sort());
  const same = (a, b) => a.length === b.length && a.every((entry, i) => norm(entry) === norm(b[i]));
  const order = (entries) => [...entries].sort((a, b) => norm(a) < norm(b) ? -1 : 1);
  return same(order(built.optimizers), order(spec.optimizers))
    && norm(built.base ?? {}) === norm(spec.base ?? {}) && norm(built.axis) === norm(spec.axis);
}

/** Show what belongs to the choices made. */
function adapt() {
  const parameter = field("parameter").value;
  const listed = filled("mode") === "list";
  byId("range").hidden = listed;
  byId("list").hidden = !listed;
  field("scale").options[0].textContent = `customary (${customary().replaceAll("_", " ")})`;
  byId("zero-label").hidden = (filled("scale") || customary()) !== "log";
  for (const row of form.querySelectorAll("[data-optimizer]")) adaptOptimizer(row, parameter);
  const checked = optimizerNames.filter((name) => field(`o.${name}`).checked);
  field("name").placeholder = `${parameter.replaceAll("_", " ")} of ${checked.join(" ") || "no optimizer"}`.slice(0, 120);
  const summaries = JSON.parse(byId("scale-summary").dataset.summaries);
  byId("scale-summary").textContent = boxes("scales")
    .map((box, i) => box.checked ? `${box.value}: ${summaries[i]}` : "").filter(Boolean).join("; ");
}

function adaptOptimizer(row, parameter) {
  const name = row.dataset.optimizer;
  const on = field(`o.${name}`).checked;
  const has = given.has[name].includes(parameter);
  row.querySelector(".fields").hidden = !on;
  row.querySelector(".inert").hidden = has;
  const hint = row.querySelector(".hint");
  hint.hidden = !on;
  if (!has) hint.textContent = `has no ${parameter}; it has ${given.has[name].join(", ")}`;
  else if (parameter in given.defaults[name]) hint.textContent = `its default ${parameter} is ${written(given.defaults[name][parameter])}`;
  else hint.textContent = "";
  for (const control of row.querySelectorAll("input[name]")) {
    // The swept hyperparameter has its values on the axis, nowhere else.
    control.disabled = control.name === `o.${name}.${parameter}`;
    const whole = control.closest(".field");
    if (whole) whole.hidden = control.disabled;
  }
}

const request = () => asIs ? { spec: asIs, places: [] } : build();

function showErrors(errors, places) {
  for (const old of form.querySelectorAll(".error-text:not(#general-error)")) old.remove();
  for (const bad of form.querySelectorAll("[aria-invalid]")) {
    bad.removeAttribute("aria-invalid");
    bad.removeAttribute("aria-describedby");
  }
  byId("general-error").textContent = "";
  let first = null;
  errors.forEach(({ pointer, message }, i) => {
    const control = places
      .filter(([prefix]) => pointer === prefix || pointer.startsWith(`${prefix}/`))
      .sort((a, b) => b[0].length - a[0].length)[0]?.[1] ?? byId("general-error");
    if (control.id === "general-error") {
      control.textContent += `${control.textContent && "; "}${pointer ? `${pointer}: ` : ""}${message}`;
      return;
    }
    const text = document.createElement("p");
    text.className = "error-text";
    text.id = `error-${i}`;
    text.textContent = message;
    if (control.matches("input, select")) {
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", text.id);
      (control.closest(".field") ?? control.closest("label")).append(text);
      first ??= control;
      const fold = control.closest("details");
      if (fold) fold.open = true;
    } else {
      control.append(text);
      first ??= control.querySelector("input");
    }
  });
  return first;
}

async function send(path, spec, headers = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(spec),
  });
  return { ok: answer.ok, body: await answer.json() };
}

const COUNT = new Intl.NumberFormat("en", { useGrouping: true });
const LARGE = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const shortly = (value) => {
  if (value < 1e5) return COUNT.format(value);
  return value < 1e12 ? LARGE.format(value) : value.toExponential(1).replace("+", "");
};
let latest = 0;
async function preview() {
  const mine = ++latest;
  const { spec, places } = request();
  byId("request-json").textContent = JSON.stringify(spec, null, 2);
  const { ok, body } = await send("/api/v1/sweeps/preview", spec)
    .catch(() => ({ ok: false, body: { detail: "The service does not answer.", errors: [] } }));
  if (mine !== latest) return;
  showErrors(ok ? [] : body.errors, places);
  if (!ok && !body.errors.length) byId("general-error").textContent = body.detail;
  const shown = ok
    ? { variants: body.variants, points: body.points, new: body.trials.new, shared: body.trials.shared, tokens: body.tokens, flops: body.flops }
    : {};
  for (const key of ["variants", "points", "new", "shared", "tokens", "flops"]) {
    byId(`p-${key}`).textContent = key in shown ? shortly(shown[key]) : "–";
  }
}

// A range that nobody has touched follows the hyperparameter.
let parameterBefore = field("parameter").value;
function suggestRange() {
  const before = given.ranges[parameterBefore] ?? ["", ""];
  parameterBefore = field("parameter").value;
  if (field("low").value !== before[0] || field("high").value !== before[1]) return;
  [field("low").value, field("high").value] = given.ranges[parameterBefore] ?? ["", ""];
}

let timer = null;
function changed() {
  adapt();
  rememberForm();
  clearTimeout(timer);
  timer = setTimeout(preview, 250);
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
  key = null;
  changed();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearTimeout(timer);
  latest += 1;
  const { spec, places } = request();
  const sent = JSON.stringify(spec);
  if (key?.sent !== sent) key = { sent, text: randomText() };
  byId("submit").disabled = true;
  const { ok, body } = await send("/api/v1/sweeps", spec, { "idempotency-key": key.text })
    .catch(() => ({ ok: false, body: { detail: "The service does not answer.", errors: [] } }));
  if (ok) {
    location.href = `/sweeps/${encodeURIComponent(body.id)}`;
    return;
  }
  byId("submit").disabled = false;
  const first = showErrors(body.errors, places);
  if (!body.errors.length) byId("general-error").textContent = body.detail;
  first?.focus();
});

function randomText() {
  // randomUUID exists in secure contexts only, and a trusted network may be without TLS.
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("-");
}

async function start() {
  const query = new URL(location.href).searchParams;
  if (query.has("from")) {
    const answer = await fetch(`/api/v1/sweeps/${encodeURIComponent(query.get("from"))}`);
    if (answer.ok) return take((await answer.json()).spec);
    byId("preset-summary").textContent = `There is no sweep ${query.get("from")} to start from.`;
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

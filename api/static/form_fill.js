import { FIRST, fillAxis, SECOND } from "./form_axis.js";
import { fillRounds } from "./form_rounds.js";
import { fillSearch } from "./form_search.js";
import { boxes, field, form, written } from "./form_fields.js";
import { build } from "./form_request.js";
import { adapt } from "./form_adapt.js";

/** Show a sweep in the form; whether all of it could be shown. */
export function fill(spec) {
  clearForm();
  field("name").value = spec.name ?? "";
  if (spec.search) fillSearch(spec.search);
  if (spec.axis) fillAxis(FIRST, spec.axis);
  if (spec.second_axis) fillAxis(SECOND, spec.second_axis);
  fillRounds(spec);
  field("centre").value = spec.centre ?? "";
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

export function clearForm() {
  for (const control of form.elements) {
    if (!control.name) continue;
    if (control.type === "checkbox") control.checked = false;
    else if (control.tagName === "INPUT") control.value = "";
    else if (control.tagName === "SELECT") control.value = [...control.options].find((option) => option.defaultSelected)?.value ?? control.options[0].value;
  }
}

// What a sweep can say that the form has a control for.
const SHOWN = new Set(["name", "axis", "second_axis", "search", "extend", "refine", "centre", "optimizers", "scales", "architectures", "seeds",
  "base", "data", "priority", "fresh"]);

/** Whether everything the sweep says is in the request that the form builds. */
function covers(built, spec) {
  const sorted = (_, value) => value?.constructor === Object ? Object.entries(value).sort() : value;
  const norm = (entry) => JSON.stringify(typeof entry === "string" ? { name: entry } : entry ?? {}, sorted);
  const same = (a, b) => a.length === b.length && a.every((entry, i) => norm(entry) === norm(b[i]));
  const order = (entries) => [...entries].sort((a, b) => norm(a) < norm(b) ? -1 : 1);
  return Object.keys(spec).every((key) => SHOWN.has(key))
    && same(order(built.optimizers), order(spec.optimizers))
    && ["base", "axis", "second_axis", "search", "extend", "refine"].every((key) => norm(built[key]) === norm(spec[key]));
}

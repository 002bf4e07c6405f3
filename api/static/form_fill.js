import { boxes, field, form, written } from "./form_fields.js";
import { build } from "./form_request.js";
import { adapt } from "./form_adapt.js";

/** Show a sweep in the form; whether all of it could be shown. */
export function fill(spec) {
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

export function clearForm() {
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
    && norm(built.base ?? {}) === norm(spec.base ?? {}) && norm(built.axis) === norm(spec.axis)
    && !spec.extend && !spec.refine;
}

import { buildAxis, FIRST, parameterOf, SECOND } from "./form_axis.js";
import { buildRounds } from "./form_rounds.js";
import { buildSearch, isSearch } from "./form_search.js";
import { boxes, byId, field, filled, form, number, numbers, optimizerNames } from "./form_fields.js";

/** The request, and for every part of it the control that an error belongs to. */
export function build() {
  const places = [];
  const place = (pointer, name) => places.push([pointer, typeof name === "string" ? field(name) : name]);
  const spec = { name: filled("name") || field("name").placeholder, ...lookedAt(place) };
  place("/name", "name");
  if (filled("centre")) spec.centre = filled("centre");
  place("/centre", "centre");
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

/** The axis or both, with their rounds; or a search. */
function lookedAt(place) {
  if (isSearch()) return { search: buildSearch(place) };
  const second = parameterOf(SECOND) ? { second_axis: buildAxis(SECOND, place) } : {};
  return { axis: buildAxis(FIRST, place), ...second, ...buildRounds(place) };
}

function optimizer(name, pointer, place) {
  const prefix = `o.${name}.`;
  const found = { name };
  for (const control of form.elements) {
    if (!control.name.startsWith(prefix)) continue;
    const key = control.name.slice(prefix.length);
    if (control.type === "checkbox") {
      if (control.checked && !control.closest("label").hidden) found[key] = true;
    } else if (control.value.trim() && !control.disabled && !control.closest(".field").hidden) {
      if (key === "values") found.values = numbers(control.value);
      else found[key] = key === "label" ? control.value.trim() : number(control.value);
    }
    place(`${pointer}/${key}`, control);
  }
  place(pointer, field(`o.${name}`).closest(".optimizer"));
  return Object.keys(found).length === 1 ? name : found;
}

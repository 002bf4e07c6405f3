// One axis in the form; the names of the second one's controls begin with "second.".
import { byId, field, filled, given, number, numbers, tellCustomary, written } from "./form_fields.js";

export const FIRST = { prefix: "", pointer: "/axis" };
export const SECOND = { prefix: "second.", pointer: "/second_axis" };

// What is given in each way to give values; "" is from low to high.
const PARTS = {
  "": ["low", "high", "points"],
  half: ["low", "high"],
  list: ["values"],
  multiples: ["multiples"],
};
const LISTS = new Set(["values", "multiples"]);

export const parameterOf = ({ prefix }) => filled(`${prefix}parameter`);
export const modeOf = ({ prefix }) => filled(`${prefix}mode`);
const scaleOf = (axis) => filled(`${axis.prefix}scale`) || given.axisScales[parameterOf(axis)] || "linear";

/** The axis as the request has it. */
export function buildAxis(axis, place) {
  const { prefix, pointer } = axis;
  const found = { parameter: parameterOf(axis) };
  place(`${pointer}/parameter`, `${prefix}parameter`);
  if (filled(`${prefix}scale`)) found.scale = filled(`${prefix}scale`);
  place(`${pointer}/scale`, `${prefix}scale`);
  for (const key of PARTS[modeOf(axis)]) {
    const text = filled(prefix + key);
    if (LISTS.has(key)) found[key] = numbers(text);
    else if (text) found[key] = number(text);
    place(`${pointer}/${key}`, prefix + key);
  }
  place(pointer, prefix + PARTS[modeOf(axis)][0]);
  if (modeOf(axis) === "half") found.half_decades = true;
  if (field(`${prefix}zero`).checked && !byId(`${prefix}zero-label`).hidden) found.zero = true;
  place(`${pointer}/zero`, `${prefix}zero`);
  return found;
}

/** Show an axis of a sweep in its controls. */
export function fillAxis({ prefix }, spec) {
  field(`${prefix}parameter`).value = spec.parameter;
  field(`${prefix}scale`).value = spec.scale ?? "";
  field(`${prefix}zero`).checked = spec.zero ?? false;
  if (spec.half_decades) field(`${prefix}mode`).value = "half";
  else field(`${prefix}mode`).value = spec.values ? "list" : spec.multiples ? "multiples" : "";
  for (const key of LISTS) field(prefix + key).value = (spec[key] ?? []).map(written).join(" ");
  for (const key of PARTS[""]) field(prefix + key).value = written(spec[key] ?? "");
}

/** Show what belongs to the way in which values are given. */
export function adaptAxis(axis) {
  const shown = PARTS[modeOf(axis)];
  for (const key of new Set(Object.values(PARTS).flat())) {
    field(axis.prefix + key).closest(".field").hidden = !shown.includes(key);
  }
  tellCustomary(`${axis.prefix}scale`, parameterOf(axis));
  byId(`${axis.prefix}zero-label`).hidden = scaleOf(axis) !== "log";
}

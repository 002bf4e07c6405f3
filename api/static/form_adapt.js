import { adaptAxis, FIRST, modeOf, parameterOf, SECOND } from "./form_axis.js";
import { adaptRounds } from "./form_rounds.js";
import { adaptSearch, isSearch } from "./form_search.js";
import { boxes, byId, field, form, given, optimizerNames, written } from "./form_fields.js";

/** Show what belongs to the choices made. */
export function adapt() {
  const axes = isSearch() ? [] : [FIRST, SECOND].filter((axis) => parameterOf(axis));
  byId("axis-parts").hidden = isSearch();
  adaptSearch();
  adaptRounds();
  for (const axis of [FIRST, SECOND]) adaptAxis(axis);
  if (axes.length > 1) byId("second").open = true;
  for (const row of form.querySelectorAll("[data-optimizer]")) adaptOptimizer(row, axes);
  if (byId("torch").querySelector(":checked")) byId("torch").open = true;
  const checked = optimizerNames.filter((name) => field(`o.${name}`).checked);
  const swept = isSearch() ? "search" : axes.map((axis) => parameterOf(axis).replaceAll("_", " ")).join(" by ");
  field("name").placeholder = `${swept} of ${checked.join(" ") || "no optimizer"}`.slice(0, 120);
  const summaries = JSON.parse(byId("scale-summary").dataset.summaries);
  byId("scale-summary").textContent = boxes("scales")
    .map((box, i) => box.checked ? `${box.value}: ${summaries[i]}` : "").filter(Boolean).join("; ");
}

function adaptOptimizer(row, axes) {
  const name = row.dataset.optimizer;
  const on = field(`o.${name}`).checked;
  row.querySelector(".fields").hidden = !on;
  row.querySelector(".inert").hidden = isSearch() || given.has[name].includes(parameterOf(FIRST));
  const hint = row.querySelector(".hint");
  hint.hidden = !on;
  hint.textContent = axes.map((axis) => hintOf(name, axis)).filter(Boolean).join("; ");
  const shown = ownValues();
  for (const control of row.querySelectorAll("input[name]")) {
    const key = control.name.slice(`o.${name}.`.length);
    const axis = axes.find((one) => parameterOf(one) === key);
    // A swept hyperparameter has its values on the axis; as the centre of multiples it can be set.
    control.disabled = axis !== undefined && modeOf(axis) !== "multiples";
    const whole = control.closest(".field");
    if (whole) whole.hidden = control.disabled || (OWN.includes(key) && !shown.includes(key));
  }
}

// Which values of the axis an optimizer may have of its own: an end only where there is a range.
const OWN = ["values", "low", "high"];
function ownValues() {
  if (isSearch()) return [];
  return ["", "half"].includes(modeOf(FIRST)) ? OWN : ["values"];
}

function hintOf(name, axis) {
  const parameter = parameterOf(axis);
  if (!given.has[name].includes(parameter)) return `has no ${parameter}; it has ${given.has[name].join(", ")}`;
  const usual = given.defaults[name][parameter];
  if (usual === undefined) return "";
  const meaning = modeOf(axis) === "multiples" ? `the centre, unless set, is ${parameter}` : `its default ${parameter} is`;
  return `${meaning} ${written(usual)}`;
}

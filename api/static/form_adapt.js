import { boxes, byId, field, filled, form, given, optimizerNames, written } from "./form_fields.js";

const customary = () => given.axisScales[field("parameter").value] ?? "linear";

/** Show what belongs to the choices made. */
export function adapt() {
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

// The form's controls by name, and numbers as they are read and written in them.
export const form = document.getElementById("new");
export const given = JSON.parse(document.getElementById("form-data").textContent);
export const byId = (id) => document.getElementById(id);
export const field = (name) => form.elements.namedItem(name);
export const boxes = (name) => [...form.querySelectorAll(`input[name="${name}"]`)];
export const optimizerNames = Object.keys(given.has);
export const filled = (name) => field(name)?.value.trim() ?? "";

export const number = (text) => {
  const parsed = Number(text);
  // What is no number goes as it is: the service says what is wrong with it.
  return text.trim() !== "" && Number.isFinite(parsed) ? parsed : text.trim();
};
export const numbers = (text) => text.split(/[\s,;]+/).filter(Boolean).map(number);
// As the study writes them: 3.16e-4 rather than 0.000316.
export const written = (value) => {
  const size = Math.abs(value);
  return typeof value !== "number" || value === 0 || (size >= 0.01 && size < 1e4) ? String(value) : value.toExponential().replace("+", "");
};

/** Say beside "customary" which scale that is for a hyperparameter. */
export function tellCustomary(name, parameter) {
  const [customary, ...scales] = field(name).options;
  const meant = scales.find((option) => option.value === given.axisScales[parameter]);
  customary.textContent = meant ? `customary (${meant.textContent})` : "customary";
}

// A search in the form: a row per hyperparameter, of which one more than is filled in is shown.
import { byId, field, filled, form, given, number, tellCustomary, written } from "./form_fields.js";

const ROWS = [...form.querySelectorAll("[data-range]")];
const NUMBERS = ["trials", "at_once", "seed"];

export const isSearch = () => filled("kind") === "search";
/** The hyperparameters that are searched over. */
export const searchedOver = () => ROWS.map((_, i) => filled(`s.${i}.parameter`)).filter(Boolean);

/** The search as the request has it. */
export function buildSearch(place) {
  const found = { over: {} };
  place("/search", "s.0.parameter");
  ROWS.forEach((_, i) => {
    const parameter = filled(`s.${i}.parameter`);
    if (!parameter) return;
    const range = {};
    place(`/search/over/${parameter}`, `s.${i}.parameter`);
    for (const key of ["low", "high", "scale"]) {
      place(`/search/over/${parameter}/${key}`, `s.${i}.${key}`);
      const text = filled(`s.${i}.${key}`);
      if (text) range[key] = key === "scale" ? text : number(text);
    }
    found.over[parameter] = range;
  });
  for (const key of [...NUMBERS, "sampler"]) {
    place(`/search/${key}`, `s.${key}`);
    const text = filled(`s.${key}`);
    if (text) found[key] = key === "sampler" ? text : number(text);
  }
  return found;
}

/** Show a search in its controls. */
export function fillSearch(search) {
  field("kind").value = "search";
  Object.entries(search.over).slice(0, ROWS.length).forEach(([parameter, range], i) => {
    field(`s.${i}.parameter`).value = parameter;
    for (const key of ["low", "high"]) field(`s.${i}.${key}`).value = written(range[key]);
    field(`s.${i}.scale`).value = range.scale ?? "";
  });
  for (const key of NUMBERS) field(`s.${key}`).value = search[key] ?? "";
  field("s.sampler").value = search.sampler && search.sampler !== "tpe" ? search.sampler : "";
}

/** Show one row more than there are hyperparameters, and each of these in one row only. */
export function adaptSearch() {
  byId("search-parts").hidden = !isSearch();
  const chosen = searchedOver();
  ROWS.forEach((row, i) => {
    const own = filled(`s.${i}.parameter`);
    row.hidden = !own && i > chosen.length;
    for (const option of field(`s.${i}.parameter`).options) {
      option.disabled = option.value !== own && chosen.includes(option.value);
    }
    for (const part of [...row.querySelectorAll(".field")].slice(1)) part.hidden = !own;
    tellCustomary(`s.${i}.scale`, own);
  });
}

/** The suggested range of what has just been chosen, while there is none; a search begins with lr. */
export function suggestSearched(name) {
  if (name === "kind" && isSearch() && !searchedOver().length) {
    field("s.0.parameter").value = "lr";
    field("s.trials").value ||= "12";
    return suggestSearched("s.0.parameter");
  }
  const [, row] = /^s\.(\d)\.parameter$/.exec(name) ?? [];
  if (!row || field(`s.${row}.low`).value || field(`s.${row}.high`).value) return;
  [field(`s.${row}.low`).value, field(`s.${row}.high`).value] = given.ranges[field(name).value] ?? ["", ""];
}

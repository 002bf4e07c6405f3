// What a sweep may add to its curves while it runs: bracketing and refinement.
import { byId, field, filled, number, written } from "./form_fields.js";

const PARTS = { extend: ["budget"], refine: ["budget", "tolerance", "depth"] };

/** Both parts as the request has them, as far as anything is said of them. */
export function buildRounds(place) {
  const found = {};
  for (const [part, keys] of Object.entries(PARTS)) {
    place(`/${part}`, `${part}.budget`);
    for (const key of keys) {
      place(`/${part}/${key}`, `${part}.${key}`);
      const text = filled(`${part}.${key}`);
      if (text) found[part] = { ...found[part], [key]: number(text) };
    }
  }
  return found;
}

/** Show the rounds of a sweep in their controls. */
export function fillRounds(spec) {
  for (const [part, keys] of Object.entries(PARTS)) {
    for (const key of keys) field(`${part}.${key}`).value = written(spec[part]?.[key] ?? "");
  }
}

/** What is filled in is seen. */
export function adaptRounds() {
  if (Object.keys(PARTS).some((part) => filled(`${part}.budget`))) byId("rounds").open = true;
}

import { byId } from "./form_fields.js";
import { showErrors } from "./form_errors.js";
import { showForecast } from "./form_forecast.js";

export async function send(path, spec, headers = {}) {
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
/** An answer that is still to come is not shown. */
export const dropPreview = () => {
  latest += 1;
};

/** Show what the request would train, unless another one has been asked about by then. */
export async function preview({ spec, places }) {
  const mine = ++latest;
  byId("request-json").textContent = JSON.stringify(spec, null, 2);
  const { ok, body } = await send("/api/v1/sweeps/preview", spec)
    .catch(() => ({ ok: false, body: { detail: "The service does not answer.", errors: [] } }));
  if (mine !== latest) return;
  showErrors(ok ? [] : body.errors, places);
  if (!ok && !body.errors.length) byId("general-error").textContent = body.detail;
  const shown = ok
    ? { variants: body.variants, points: body.points, added: body.may_add, new: body.trials.new, shared: body.trials.shared, tokens: body.tokens, flops: body.flops }
    : {};
  for (const key of ["variants", "points", "added", "new", "shared", "tokens", "flops"]) {
    byId(`p-${key}`).textContent = key in shown ? shortly(shown[key]) : "–";
  }
  for (const part of document.querySelectorAll("[data-added]")) part.hidden = !shown.added;
  showForecast(ok ? body.forecast : null);
}

import { byId } from "./form_fields.js";

const SOURCES = {
  measured: "Times as stacks like these took on this device.",
  model: "Times by a model: no stack like these has run here.",
  both: "Times partly by a model: not every kind of stack has run here.",
};
const UNITS = [[3600, "h"], [60, "min"], [1, "s"]];
const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");

function duration(seconds) {
  const [size, name] = UNITS.find(([unit]) => seconds >= unit) ?? UNITS[2];
  return `${short(seconds / size)}\u00a0${name}`;
}

function row(cells, tag) {
  const line = document.createElement("tr");
  for (const text of cells) {
    const cell = document.createElement(tag);
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}

/** Show the stacks that a sweep would train as and the hours they would take; null clears it. */
export function showForecast(forecast) {
  const table = byId("p-stacks");
  table.replaceChildren();
  byId("p-hours").textContent = forecast ? short(forecast.device_hours) : "–";
  byId("p-wall").textContent = forecast ? duration(3600 * forecast.wall_hours) : "–";
  byId("p-source").textContent = forecast ? remarks(forecast) : "";
  if (!forecast) return;
  byId("p-device").textContent = forecast.machine.gpus ? "GPU-hours" : "Core-hours";
  table.append(row(["stacks of", "K", "number", "MiB", "each"], "th"));
  for (const kind of forecast.kinds) {
    const memory = kind.memory_bytes === null ? "–" : short(kind.memory_bytes / 2 ** 20);
    table.append(row([`${kind.optimizer}, ${kind.scale}`, kind.size, kind.count, memory, duration(kind.seconds)], "td"));
  }
}

function remarks(forecast) {
  const said = [SOURCES[forecast.source]];
  if (forecast.unfit) said.push(`${forecast.unfit} trials fit into no device here.`);
  if (!forecast.machine_known) said.push("No dispatcher has told yet what it trains on: the server's own processors are assumed.");
  return said.join(" ");
}

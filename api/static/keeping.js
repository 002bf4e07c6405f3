import { refresh } from "./live.js";

// Extending, editing, archiving and deleting a sweep, from the folds of its page. What the service
// says is shown as it is: it names the field, the rule and the value.
const id = document.querySelector("[data-sweep]").dataset.sweep;
const address = `/api/v1/sweeps/${encodeURIComponent(id)}`;
const extend = document.querySelector("[data-extend]");
const edit = document.querySelector("[data-edit]");

/** The answer of the service, or null if it refused, which is said below the form. */
async function ask(form, method, path, body) {
  const said = form.querySelector("[role=status]");
  said.textContent = "";
  said.className = "help";
  const sent = { method, ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }) };
  const answer = await fetch(address + path, sent).catch(() => null);
  const told = await answer?.json().catch(() => null);
  const wrong = answer?.ok ? [] : (told?.errors ?? []).map((error) => error.pointer.split("/")[1]);
  for (const control of form.elements) control.setAttribute("aria-invalid", wrong.includes(control.name) ? "true" : "false");
  if (answer?.ok) return told;
  said.className = "error-text";
  said.textContent = told?.detail ?? "The service does not answer.";
  return null;
}

function say(form, text) {
  form.querySelector("[role=status]").textContent = text;
}

// Words that are no numbers are sent as they are: the service says what is wrong with them.
const words = (text) => text.trim().split(/[\s,;]+/).filter(Boolean);
const numbers = (text) => words(text).map((word) => (Number.isFinite(Number(word)) ? Number(word) : word));

// Neither a search nor an imported sweep can be extended.
extend?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [values, seeds] = ["values", "seeds"].map((name) => numbers(extend.elements[name].value));
  const variant = extend.elements.variant.value;
  const body = {
    ...(values.length && { values }),
    ...(seeds.length && { seeds }),
    ...(variant && { variants: [variant] }),
  };
  const answer = await ask(extend, "POST", "/extend", body);
  if (!answer) return;
  say(extend, `Points: ${answer.added} added, ${answer.there} there already. Trials: ${answer.trials.new} new.`);
  await show();
});

edit.addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = (name) => edit.elements[name].value;
  const tags = value("tags").split(",").map((tag) => tag.trim()).filter(Boolean);
  const [priority] = numbers(value("priority") || "0");
  const body = { name: value("name"), note: value("note"), tags, priority };
  if (await ask(edit, "PATCH", "", body)) {
    say(edit, "Saved.");
    await show();
  }
});

edit.querySelector("[data-archive]").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  const archived = button.dataset.archive === "yes";
  if (!(await ask(edit, "PATCH", "", { archived }))) return;
  button.dataset.archive = archived ? "no" : "yes";
  button.textContent = archived ? "Back into the list" : "Archive";
  await show();
});

edit.querySelector("[data-delete]").addEventListener("click", async () => {
  if (!confirm("Delete this sweep, with the results that no other sweep has?")) return;
  if (await ask(edit, "DELETE", "")) location.assign("/");
});

async function show() {
  await refresh().catch(() => {});
  document.querySelector("h1").textContent = edit.elements.name.value;
  // The script of the page follows again if there is work again.
  document.dispatchEvent(new Event("changed"));
}

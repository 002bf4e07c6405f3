// One rendering: the server renders the page, and this takes the parts marked `data-live` from a
// fresh copy of it. A part that holds the focus waits until the focus has left.

/** Fetch this page again and replace what has changed. Rejects if the server does not answer. */
export async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = fresh.querySelector(`[data-live="${old.dataset.live}"]`);
    if (!part || (old.contains(document.activeElement) && old !== document.activeElement)) continue;
    if (part.dataset.ended) old.dataset.ended = part.dataset.ended;
    if (old.innerHTML !== part.innerHTML) old.replaceChildren(...part.childNodes);
  }
  document.title = fresh.title;
}

/** Calls of `work` at least `gap` ms apart, and never so often that they fill the time. */
export function throttled(work, gap) {
  let timer = null;
  let again = false;
  let last = -Infinity;
  let cost = 0;
  const run = async () => {
    timer = 0;
    again = false;
    const start = performance.now();
    await work();
    last = performance.now();
    cost = last - start;
    timer = null;
    if (again) ask();
  };
  const ask = () => {
    if (timer !== null) { again = true; return; }
    timer = setTimeout(run, Math.max(0, last + Math.max(gap, 3 * cost) - performance.now()));
  };
  return ask;
}

/** Put one value of the view into the query string; null takes it out. */
export function remember(key, value) {
  const url = new URL(location.href);
  if (value === null) url.searchParams.delete(key); else url.searchParams.set(key, value);
  history.replaceState(null, "", url);
}

/** Whether a fold is open is part of the view. */
export function rememberFolds() {
  const open = new Set((new URL(location.href).searchParams.get("open") ?? "").split(",").filter(Boolean));
  for (const fold of document.querySelectorAll("details[id]")) {
    if (open.has(fold.id)) fold.open = true;
  }
  // `toggle` does not bubble, but it is captured: folds that are put in later are heard, too.
  document.addEventListener("toggle", ({ target: fold }) => {
    if (!fold.matches("details[id]")) return;
    if (fold.open) open.add(fold.id); else open.delete(fold.id);
    remember("open", open.size ? [...open].join(",") : null);
  }, true);
}

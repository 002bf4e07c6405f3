// The figure over model sizes is fetched when its fold is opened, and again for another theme.
const id = document.querySelector("[data-sweep]").dataset.sweep;

async function draw() {
  const node = document.getElementById("transfer");
  if (!node?.closest("details").open) return;
  const asked = new URLSearchParams({ figure: "transfer", theme: globalThis.currentTheme() });
  const answer = await fetch(`/api/v1/sweeps/${encodeURIComponent(id)}/figure?${asked}`);
  if (!answer.ok) return;
  const { data, layout } = await answer.json();
  layout.margin = { ...layout.margin, t: 16 };
  delete layout.title;
  await Plotly.react(node, data, layout, { displaylogo: false, responsive: true, displayModeBar: false });
}

// `toggle` does not bubble, but it is captured: folds that are put in later are heard, too.
document.addEventListener("toggle", (event) => { if (event.target.id === "sizes") draw(); }, true);
document.addEventListener("theme", draw);
draw();

// Drawing figure JSON with plotly.js. SVG traces only, no code built at run time.
const node = (place = "figure") => document.getElementById(place);
const caption = (place) => document.getElementById(place === "figure" ? "caption" : `${place}-caption`);
const CONFIG = {
  displaylogo: false,
  responsive: true,
  displayModeBar: false,
  doubleClick: "reset",
};

const LEGEND = 50;
// Facets beside each other that would be narrower than this make the figure scroll instead.
const FACET = 230;
const columns = (layout) =>
  new Set(Object.keys(layout).filter((key) => key.startsWith("xaxis")).map((key) => layout[key].domain?.[0] ?? 0)).size;

// The page has the title already, and room for the rest below the figure.
function fit(figure, place) {
  const narrow = node(place).clientWidth < 640;
  const { title, margin } = figure.layout;
  const facets = figure.layout.annotations?.some((note) => note.yref === "paper" && note.y > 0.9);
  const top = facets ? 40 : 16;
  caption(place).textContent = title?.subtitle?.text ?? "";
  figure.layout.height -= margin.t - top;
  figure.layout.margin = { ...margin, t: top };
  delete figure.layout.title;
  delete figure.layout.width;
  if (columns(figure.layout) > 1 && node(place).clientWidth < FACET * columns(figure.layout)) {
    figure.layout.width = FACET * columns(figure.layout) + 100;
  }
  if (!narrow) return;
  figure.layout.margin = { ...figure.layout.margin, l: 48, r: 8 };
  if (figure.layout.showlegend === false) return;
  figure.layout.margin.b += LEGEND;
  figure.layout.height += LEGEND;
  const drawn = figure.layout.height - top - figure.layout.margin.b;
  figure.layout.legend = { ...figure.layout.legend, orientation: "h", x: 0, xanchor: "left", y: -56 / drawn, yanchor: "top" };
}

/** Fetch the figure and draw it in its place; `address` is a function of the theme. */
export async function draw(address, prepare = () => {}, place = "figure") {
  const answer = await fetch(address(globalThis.currentTheme()));
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const figure = await answer.json();
  prepare(figure);
  fit(figure, place);
  // Zoom and hidden curves stay as the reader left them while the data change.
  figure.layout.uirevision ??= "same";
  node(place).querySelector(".wait")?.remove();
  await Plotly.react(node(place), figure.data, figure.layout, CONFIG);
  node(place).style.minHeight = "0";
}

export function onClickOpenTrial(place = "figure") {
  node(place).on("plotly_click", (event) => {
    const id = event.points.map((point) => point.customdata?.[0]).find(Boolean);
    if (id) location.href = `/trials/${encodeURIComponent(id)}`;
  });
}

export function pictureButtons(name, place = "figure") {
  for (const button of node(place).closest("section").querySelectorAll("[data-picture]")) {
    button.addEventListener("click", () => {
      const { clientWidth: width, clientHeight: height } = node(place);
      const paper = getComputedStyle(document.body).backgroundColor;
      Plotly.downloadImage(
        { data: node(place).data, layout: { ...node(place).layout, paper_bgcolor: paper } },
        { format: button.dataset.picture, filename: name, width, height, scale: 2 },
      );
    });
  }
}

export { node as figureNode };

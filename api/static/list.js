import "./copy.js";
import { refresh } from "./live.js";

// Lists change slowly: a look every four seconds while something is under way and the tab is seen.
const BUSY = ".state.running, .state.queued";
setInterval(() => {
  if (!document.hidden && document.querySelector(BUSY)) refresh().catch(() => {});
}, 4000);

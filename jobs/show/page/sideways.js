// Says above each table that is wider than its place how many of its columns are out of sight on the right.
"use strict";

function hidden(place) {
  const edge = place.getBoundingClientRect().right + 1;
  return [...place.querySelectorAll("thead th")].filter((head) => head.getBoundingClientRect().right > edge).length;
}

function watch(place) {
  const hint = document.createElement("p");
  hint.className = "sideways";
  place.before(hint);
  const tell = () => {
    const count = hidden(place);
    hint.textContent = count ? `Scroll sideways: ${count} more ${count === 1 ? "column" : "columns"} →` : "";
    hint.hidden = place.scrollWidth <= place.clientWidth;
  };
  place.addEventListener("scroll", tell, { passive: true });
  new ResizeObserver(tell).observe(place);
  new MutationObserver(tell).observe(place, { childList: true, subtree: true });
  tell();
}

for (const place of document.querySelectorAll(".wide")) watch(place);

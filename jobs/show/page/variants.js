// The tables of variants: sorts and filters the rows of the data beside each, and shows a hundred of them at a time.
"use strict";

const STEP = 100, CELL = "|", ROW = ";", SLOT = "\x01";

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** A column of jobs/show/packed.py: the text of each row, and what it is sorted by. */
function column({ name, cells, values, at, numbers }) {
  if (cells !== undefined) {
    const texts = cells.split(CELL);
    return { name, texts, keys: texts.map((text) => parseFloat(text.replaceAll(",", ""))) };
  }
  const keys = at.split(CELL).map(Number);
  if (numbers === undefined) return { name, texts: keys.map((key) => values[key]), keys };
  const rows = numbers.split(ROW);
  const texts = keys.map((key, place) => {
    const own = rows[place].split(CELL);
    return values[key].split(SLOT).map((part, slot) => (slot ? own[slot - 1] + part : part)).join("");
  });
  return { name, texts, keys };
}

/** The rank of each row: stretches of [first, count]. */
function ranksOf(stretches) {
  return stretches.flatMap(([first, count]) => Array.from({ length: count }, (_, place) => first + place));
}

function reasonCell(why, place) {
  const cell = element("td");
  const [cause, sentence, remedy, others] = ["cause", "sentence", "remedy", "others"].map((key) => why[key].texts[place]);
  if (!sentence) {
    cell.textContent = cause;
    return cell;
  }
  const details = cell.appendChild(element("details"));
  details.append(element("summary", cause), element("p", sentence));
  if (remedy) {
    const told = details.appendChild(element("p", "Remedy: "));
    told.append(element("code", remedy));
  }
  if (others) details.append(element("p", `Also: ${others}.`));
  return cell;
}

class Variants {
  constructor(root) {
    const data = JSON.parse(root.querySelector("script").textContent);
    this.total = data.total;
    this.ranks = ranksOf(data.ranks);
    this.tags = data.tags;
    this.columns = data.columns.map(column);
    this.why = Object.fromEntries(Object.entries(data.why).map(([key, packed]) => [key, column(packed)]));
    this.sorted = { place: 0, isDown: false };
    this.body = root.querySelector("tbody");
    this.status = root.querySelector(".status");
    this.more = root.querySelector(".more");
    this.form = root.querySelector("form");
    this.heads = [...root.querySelectorAll("thead th")];
    this.sortable = [{ name: "rank", keys: this.ranks }, ...this.columns, { ...this.why.cause, name: "cause" }];
    this.listen();
    this.update();
  }

  listen() {
    this.heads.forEach((head, place) => {
      const button = element("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => this.sort(place));
    });
    this.form.hidden = this.ranks.length < 2;
    this.form.addEventListener("input", () => this.update());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.more.addEventListener("click", () => this.show(STEP));
  }

  sort(place) {
    const isDown = this.sorted.place === place && !this.sorted.isDown;
    this.sorted = { place, isDown };
    this.update();
  }

  /** Whether a row has every word of the filter, and the chosen values. */
  matches() {
    const words = this.form.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [...this.form.querySelectorAll("select")].filter((select) => select.value).map((select) => [
      this.sortable.find(({ name }) => name === select.dataset.column).texts, select.value,
    ]);
    return (row) => chosen.every(([texts, value]) => texts[row] === value)
      && (!words.length || words.every((word) => this.textOf(row).includes(word)));
  }

  textOf(row) {
    this.texts ??= [];
    return this.texts[row] ??= [...this.columns, ...Object.values(this.why)].map(({ texts }) => texts[row])
      .concat(this.tags[this.ranks[row]] ?? "").join("\n").toLowerCase();
  }

  update() {
    const { place, isDown } = this.sorted, { keys, name } = this.sortable[place], sign = isDown ? -1 : 1;
    this.rows = [...this.ranks.keys()].filter(this.matches());
    this.rows.sort((a, b) => {
      const missing = Number.isNaN(keys[a]) - Number.isNaN(keys[b]);  // what has no number is last either way
      return missing || sign * (keys[a] - keys[b]) || a - b;
    });
    this.heads.forEach((head, at) => {
      if (at === place) head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.order = `sorted by ${name}, ${isDown ? "descending" : "ascending"}`;
    this.shown = 0;
    this.body.replaceChildren();
    this.show(STEP);
  }

  show(count) {
    const next = this.rows.slice(this.shown, this.shown + count);
    this.body.append(...next.map((row) => this.row(row)));
    this.shown += next.length;
    const rest = this.rows.length - this.shown, listed = this.ranks.length;
    this.more.hidden = !rest;
    this.more.textContent = `Show ${Math.min(STEP, rest).toLocaleString("en")} more`;
    const matching = this.rows.length < listed ? `${this.rows.length.toLocaleString("en")} that match of ` : "";
    const page = listed < this.total ? `, of which this page has ${listed.toLocaleString("en")}: the best and the worst` : "";
    this.status.textContent = `Shown: ${this.shown.toLocaleString("en")} of ${matching}${this.total.toLocaleString("en")}`
      + ` ${this.total === 1 ? "variant" : "variants"}${page}; ${this.order}.`;
  }

  row(place) {
    const rank = this.ranks[place], tag = this.tags[rank];
    const row = element("tr", undefined, tag ? "tagged" : "");
    const head = row.appendChild(element("th", String(rank), "rank"));
    head.scope = "row";
    if (tag) head.append(" ", element("span", tag, "tag"));
    for (const { texts } of this.columns) row.append(element("td", texts[place]));
    row.append(reasonCell(this.why, place));
    return row;
  }
}

for (const root of document.querySelectorAll("[data-variants]")) new Variants(root);

"use strict";
(() => {
  const root = document.documentElement;
  const remembered = "context-harness-theme";
  const MOST_ROWS = 300;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");

  // A page opened from disk may have no storage; then the choice lasts as long as the page.
  const recall = () => { try { return localStorage.getItem(remembered); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem(remembered, theme); } catch { /* none */ } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const chosen = recall();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  function themeButton() {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
    prefersDark.addEventListener("change", show);
    button.hidden = false;
    show();
  }

  // One entry per row with what it is sorted and filtered by, read once.
  function entriesOf(table) {
    return Array.from(table.tBodies[0].rows, (row, index) => ({
      row,
      index,
      values: Array.from(row.cells, (cell) => cell.dataset.v ?? ""),
      words: (row.dataset.words ?? "").split("|"),
      text: null,
    }));
  }

  // The head cells that stand directly above a column, in the order of the columns.
  function headsOf(table) {
    const rows = Array.from(table.tHead.rows);
    const below = rows.length > 1 ? Array.from(rows[1].cells) : [];
    return Array.from(rows[0].cells).flatMap((head) =>
      head.scope === "colgroup" ? below.splice(0, head.colSpan) : [head]);
  }

  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  function sorted(entries, column, isNumber, direction) {
    if (!direction) return [...entries].sort((a, b) => a.index - b.index);
    const compare = isNumber ? (a, b) => Number(a) - Number(b) : collator.compare;
    const known = entries.filter((entry) => entry.values[column] !== "");
    const absent = entries.filter((entry) => entry.values[column] === "");
    known.sort((a, b) =>
      direction * compare(a.values[column], b.values[column]) || a.index - b.index);
    return [...known, ...absent.sort((a, b) => a.index - b.index)];
  }

  // A table that people sort and filter. Of a long one only the first rows are part of the page, so
  // that an answer comes at once; a button shows them all.
  class View {
    constructor(table) {
      this.table = table;
      this.entries = entriesOf(table);
      this.order = this.entries;
      this.all = false;
      this.tools = table.closest(".block").querySelector(":scope > .tools");
      this.sortable();
      if (this.tools) this.filterable();
    }

    sortable() {
      const heads = headsOf(this.table);
      heads.forEach((head, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => {
          const before = head.getAttribute("aria-sort");
          const next = before === null ? "ascending" : before === "ascending" ? "descending" : null;
          heads.forEach((each) => each.removeAttribute("aria-sort"));
          if (next) head.setAttribute("aria-sort", next);
          const direction = { ascending: 1, descending: -1 }[next] ?? 0;
          this.order = sorted(this.entries, column, head.dataset.kind === "number", direction);
          this.apply();
        });
      });
    }

    filterable() {
      this.find = this.tools.querySelector("[data-find]");
      this.word = this.tools.querySelector("[data-word]");
      this.count = this.tools.querySelector("[data-count]");
      this.more = this.tools.querySelector("[data-more]");
      this.find.addEventListener("input", () => this.apply());
      this.word?.addEventListener("change", () => this.apply());
      this.more?.addEventListener("click", () => {
        this.all = true;
        this.apply();
        this.find.focus();  // the button that had the focus is gone
      });
      addEventListener("beforeprint", () => { this.all = true; this.apply(); });
      this.tools.hidden = false;
      this.apply();
    }

    apply() {
      const found = this.tools ? this.order.filter(this.chosen()) : this.order;
      const most = this.tools && !this.all ? MOST_ROWS : Infinity;
      this.table.tBodies[0].replaceChildren(...found.slice(0, most).map((entry) => entry.row));
      if (this.tools) this.say(found.length, most);
    }

    chosen() {
      const wanted = this.find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const word = this.word?.value ?? "";
      return (entry) => {
        if (word && !entry.words.includes(word)) return false;
        if (!wanted.length) return true;
        entry.text ??= Array.from(entry.row.cells, (cell) => cell.textContent).join(" ").toLowerCase();
        return wanted.every((part) => entry.text.includes(part));
      };
    }

    say(found, most) {
      const text = (number) => number.toLocaleString("en");
      const all = text(this.entries.length);
      const rows = found === this.entries.length ? `${all} rows` : `${text(found)} of ${all} rows`;
      this.count.textContent = found > most ? `${rows}, the first ${text(most)} shown` : rows;
      if (this.more) this.more.hidden = found <= most;
    }
  }

  const svg = (tag, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const quantile = (ordered, share) => {
    const place = (ordered.length - 1) * share;
    const low = Math.floor(place);
    return ordered[low] + (place - low) * ((ordered[low + 1] ?? ordered[low]) - ordered[low]);
  };

  function drawSamples(values) {
    const [width, height, left, bottom] = [720, 220, 64, 28];
    const low = Math.min(...values);
    const high = Math.max(...values);
    const x = (index) => left + 8 + (index / Math.max(values.length - 1, 1)) * (width - left - 24);
    const y = (value) => height - bottom - 8 - ((value - low) / (high - low || 1)) * (height - bottom - 24);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const median = quantile([...values].sort((a, b) => a - b), 0.5);
    for (const [value, colour] of [[low, "--line"], [high, "--line"], [median, "--good"]]) {
      picture.append(svg("line", { x1: left, x2: width - 8, y1: y(value), y2: y(value), style: `stroke:var(${colour})` }));
    }
    for (const value of new Set([low, high])) {
      picture.append(svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, `${value} ms`));
    }
    values.forEach((value, index) =>
      picture.append(svg("circle", { cx: x(index), cy: y(value), r: 2.2, style: "fill:var(--mark);fill-opacity:.7" })));
    picture.append(svg("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, "order of measurement; line: median"));
    return picture;
  }

  function rawSamples() {
    const fold = document.getElementById("samples-fold");
    if (!fold) return;
    const select = document.getElementById("samples-case");
    const several = document.getElementById("samples-data");
    let cases = null;
    const show = () => {
      const each = cases[select.value];
      const ordered = [...each.ms].sort((a, b) => a - b);
      const text = (value) => `${Number(value.toPrecision(4))} ms`;
      document.getElementById("samples-picture").replaceChildren(drawSamples(each.ms));
      document.getElementById("samples-text").textContent =
        `${each.taken.toLocaleString("en")} samples${each.step > 1 ? `, one of every ${each.step} shown` : ""}. `
        + `Smallest ${text(ordered[0])}, first quartile ${text(quantile(ordered, 0.25))}, `
        + `median ${text(quantile(ordered, 0.5))}, third quartile ${text(quantile(ordered, 0.75))}, `
        + `largest ${text(ordered.at(-1))}.`;
      document.getElementById("samples-list").textContent = each.ms.join(" ");
    };
    const fill = () => {
      if (cases) return;
      cases = JSON.parse(several.textContent);
      const groups = new Map();
      cases.forEach((each, index) => {
        const head = `${each.suite}, run ${each.run}`;
        if (!groups.has(head)) {
          groups.set(head, document.createElement("optgroup"));
          groups.get(head).label = head;
        }
        groups.get(head).append(new Option(each.name, index));
      });
      select.append(...groups.values());
      select.addEventListener("change", show);
      show();
    };
    fold.addEventListener("toggle", fill);
  }

  // A link into a folded part unfolds it.
  function unfold() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let each = target; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") each.open = true;
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    for (const table of document.querySelectorAll("table[data-sortable]")) {
      new View(table);
    }
    rawSamples();
    unfold();
    addEventListener("hashchange", unfold);
  });
})();

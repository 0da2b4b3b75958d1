"use strict";
(() => {
  const root = document.documentElement;
  const remembered = "context-harness-theme";
  const MOST_ROWS = 300;  // as the style sheet has it
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
      this.table.classList.toggle("whole", most === Infinity);
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

  // A link into a folded part unfolds it.
  function unfold() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let each = target; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") each.open = true;
    }
  }

  const prepare = (part) =>
    part.querySelectorAll("table[data-sortable]").forEach((table) => new View(table));

  // What is a text until it is looked at becomes a part of the page.
  function unpack(holder) {
    const made = document.createElement("template");
    made.innerHTML = holder.textContent;
    prepare(made.content);
    holder.replaceWith(made.content);
  }

  function unpackLater() {
    const seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        target.querySelectorAll(":scope > .later").forEach(unpack);
      }
    }, { rootMargin: "1000px" });
    // A closed fold is never met, its parts have no place on the page; once open it is.
    document.querySelectorAll(".later").forEach((each) => seen.observe(each.parentElement));
    document.querySelectorAll("details:has(> .later)").forEach((fold) => {
      seen.unobserve(fold);
      fold.addEventListener("toggle", () => fold.querySelectorAll(":scope > .later").forEach(unpack));
    });
    addEventListener("beforeprint", () => document.querySelectorAll(".later").forEach(unpack));
  }

  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    prepare(document);
    unpackLater();
    unfold();
    addEventListener("hashchange", unfold);
  });
})();

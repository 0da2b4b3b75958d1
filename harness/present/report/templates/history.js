"use strict";
(() => {
  const LEAST_RUNS = 5;
  const MOST_BANDS = 5;
  const FIRST_BANDS = ["machine", "torch", "driver", "cuda", "cudnn"];
  const { draw, indexAt, percent } = paint;
  const root = document.documentElement;
  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const shown = (value) =>
    Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));

  const { view, colours } = scene;
  const charts = [];
  const drawn = new Set();  // those that are in the window

  // A list that is told by where it changes, and to what.
  function whole(turns, length) {
    const found = [];
    turns.forEach(([, value], number) => {
      const end = number + 1 < turns.length ? turns[number + 1][0] : length;
      while (found.length < end) found.push(value);
    });
    return found;
  }

  function seriesOf(raw) {
    const length = raw.length ?? raw.at.length;
    let place = 0;
    const places = Array.from({ length }, (_, number) => {
      place += raw.length === undefined || number === 0 ? raw.at[number] : 1;
      return place;
    });
    const stored = raw.exact ? whole(raw.exact, length) : raw.values;
    const values = stored.map((each) => each * raw.step);
    const end = (shifts, sign) => shifts
      && values.map((value, number) => value + sign * (shifts[number] ?? 0) * raw.step);
    return {
      places, values, low: end(raw.below, -1), high: end(raw.above, 1), unit: raw.unit,
      processes: whole(raw.processes, length), changes: raw.changes.map((each) => scene.data.changes[each]),
    };
  }

  const nearest = (places, place) => {
    const after = Math.min(indexAt(places, place), places.length - 1);
    return after > 0 && place - places[after - 1] < places[after] - place ? after - 1 : after;
  };

  class Chart {
    constructor(figure, raw) {
      this.figure = figure;
      this.raw = raw;
      this.cursor = null;  // index of the run that is told
      this.drag = null;  // places between which a pointer is drawn
      this.plot = null;  // where points are on the canvas, since it was drawn
      this.name = figure.querySelector("h3").textContent;
      this.text = `${this.name} ${figure.querySelector(".setup span").textContent}`.toLowerCase();
      const said = figure.querySelector(".setup").textContent;
      this.canvas = make("canvas", { width: 0, height: 0 });
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", `${this.name}; ${said}`);
      this.button = make("button", { type: "button" });
      this.button.append(...figure.querySelector("h3").childNodes);
      this.button.setAttribute("aria-expanded", "false");
      this.button.addEventListener("click", () => this.open(!this.isOpen));
      figure.querySelector("h3").append(this.button);
      figure.append(this.canvas);
      this.canvas.addEventListener("click", () => { if (!this.isOpen) this.open(true); });
    }

    get series() { return (this.decoded ??= seriesOf(this.raw)); }

    get isOpen() { return this.figure.classList.contains("open"); }

    open(wanted) {
      this.figure.classList.toggle("open", wanted);
      this.button.setAttribute("aria-expanded", String(wanted));
      if (wanted && !this.more) this.build();
      if (this.more) this.more.hidden = !wanted;
      this.draw();
    }

    build() {
      const { places, changes } = this.series;
      const id = `${this.figure.id}-run`;
      this.slider = make("input", { type: "range", id, min: 0, max: places.length - 1, value: places.length - 1 });
      this.point = make("p", { className: "point" });
      this.slider.addEventListener("input", () => this.tell(Number(this.slider.value)));
      this.more = make("div", {}, make("label", { htmlFor: id, textContent: "Run" }), this.slider, this.point);
      if (changes.length) this.more.append(make("ol", {}, ...changes.map((each) => this.told(each))));
      const fold = make("details", { className: "fold" }, make("summary", { textContent: "Numbers of this chart" }));
      fold.addEventListener("toggle", () => { if (fold.childElementCount === 1) fold.append(this.table()); });
      this.more.append(fold);
      this.figure.append(this.more);
      this.tell(places.length - 1);
      this.canvas.addEventListener("pointerdown", (event) => this.press(event));
      this.canvas.addEventListener("pointermove", (event) => this.move(event));
      this.canvas.addEventListener("pointerup", (event) => this.release(event));
      this.canvas.addEventListener("pointercancel", () => { this.drag = null; this.draw(); });
      this.canvas.addEventListener("dblclick", () => look(0, view.last));
    }

    // A change in words: how much, between which commits, and what may be the cause.
    told(change) {
      const interval = change.interval ? ` (${change.interval.map(percent).join(" to ")})` : "";
      const how = change.change === null ? "from 0" : percent(change.change);
      const since = scene.data.runs.at[this.series.places[change.index]].slice(0, 10);
      const besides = change.besides.length ? `; ${change.besides.join(", ")}` : "";
      const item = make("li", {}, make("strong", { textContent: how }), `${interval}, since ${since}, ${change.where}${besides}`);
      const suspects = scene.data.suspects[change.where] ?? [];
      if (suspects.length) {
        const list = make("ul", { tabIndex: 0 }, ...suspects.map(([commit, subject]) =>
          make("li", {}, make("code", { textContent: commit.slice(0, 10) }), ` ${subject}`)));
        list.setAttribute("aria-label", `Commits of ${change.where}`);
        item.append(list);
      }
      return item;
    }

    describe(index) {
      const { places, values, low, high, unit, processes } = this.series;
      const place = places[index];
      const { runs } = scene.data;
      const commit = runs.commit[place].slice(0, 10) || runs.name[place];
      const interval = low && high[index] > low[index] ? ` (${shown(low[index])} to ${shown(high[index])})` : "";
      const settings = FIRST_BANDS.filter((name) => runs.setting[name]?.[place])
        .map((name) => `${name} ${runs.setting[name][place]}`);
      return {
        place, commit, interval, value: `${shown(values[index])}${unit && ` ${unit}`}`,
        rest: [
          `${runs.at[place]}${runs.dirty.has(place) ? ", dirty" : ""}`, runs.subject.get(place),
          runs.said.get(place), processes[index] > 1 ? `median of ${processes[index]} processes` : "", ...settings,
        ].filter(Boolean),
      };
    }

    tell(index) {
      this.cursor = index;
      const { commit, value, interval, rest } = this.describe(index);
      this.slider.value = index;
      this.slider.setAttribute("aria-valuetext", `${commit}: ${value}${interval}`);
      this.point.replaceChildren(make("strong", { textContent: `${value}${interval}` }), " at ", make("code", { textContent: commit }), `; ${rest.join("; ")}`);
      this.draw();
    }

    table() {
      const { unit, values } = this.series;
      const heads = ["Commit", unit ? `Value (${unit})` : "Value", "Interval", "Started, commit's subject, setting"];
      const lines = values.map((value, index) => {
        const { commit, interval, rest } = this.describe(index);
        return make("tr", {}, make("th", { scope: "row", textContent: commit }), ...[shown(value), interval.trim(), rest.join("; ")]
          .map((textContent, number) => make("td", { textContent, className: number ? "" : "right" })));
      });
      const head = make("tr", {}, ...heads.map((textContent) => make("th", { scope: "col", textContent })));
      const scroll = make("div", { className: "scroll long", tabIndex: 0 }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines)));
      scroll.setAttribute("role", "group");
      scroll.setAttribute("aria-label", `Numbers of ${this.name}`);
      return scroll;
    }

    placeAt(event) {
      const { left, width } = this.plot;
      const share = (event.clientX - this.canvas.getBoundingClientRect().left - left) / width;
      return view.from - 0.5 + Math.min(Math.max(share, 0), 1) * (view.to - view.from + 1);
    }

    press(event) {
      this.canvas.setPointerCapture(event.pointerId);
      this.drag = [this.placeAt(event), this.placeAt(event)];
    }

    move(event) {
      if (this.drag) {
        this.drag[1] = this.placeAt(event);
        this.draw();
      } else if (event.pointerType === "mouse") {
        this.tell(nearest(this.series.places, this.placeAt(event)));
      }
    }

    release(event) {
      if (!this.drag) return;
      const [low, high] = this.drag.sort((a, b) => a - b);
      this.drag = null;
      if ((high - low) / (view.to - view.from + 1) * this.plot.width > 8) look(Math.ceil(low), Math.floor(high));
      else this.tell(nearest(this.series.places, this.placeAt(event)));
    }

    // What changes among the runs of this series: name and text of each of its runs.
    bands() {
      const names = Object.keys(scene.data.runs.setting);
      const rank = (name) => (FIRST_BANDS.indexOf(name) + FIRST_BANDS.length + 1) % (FIRST_BANDS.length + 1);
      names.sort((a, b) => rank(a) - rank(b));
      return (this.turning ??= names
        .map((name) => [name, this.series.places.map((place) => scene.data.runs.setting[name][place])])
        .filter(([, texts]) => new Set(texts).size > 1)
        .slice(0, MOST_BANDS));
    }

    draw() {
      if (drawn.has(this)) draw(this);
    }
  }

  const count = () => {
    const said = charts.filter((each) => !each.figure.hidden).length;
    const name = (place) => scene.data.runs.commit[place].slice(0, 7) || scene.data.runs.at[place].slice(0, 10);
    const runs = view.to - view.from < view.last
      ? `runs ${view.from + 1} to ${view.to + 1} of ${view.last + 1}, ${name(view.from)} to ${name(view.to)}`
      : `all ${(view.last + 1).toLocaleString("en")} runs`;
    const all = charts.length.toLocaleString("en");
    document.querySelector("#history-tools [data-count]").textContent =
      `${said === charts.length ? all : `${said.toLocaleString("en")} of ${all}`} series; ${runs}`;
  };

  // The runs that all charts show.
  function look(from, to) {
    const length = Math.min(Math.max(to - from, LEAST_RUNS - 1, 0), view.last);
    const start = Math.max(0, Math.min(Math.round((from + to - length) / 2), view.last - length));
    Object.assign(view, { from: start, to: start + length });
    drawn.forEach((each) => each.draw());
    count();
  }

  const go = {
    all: () => look(0, view.last),
    earlier: (length) => look(view.from - Math.ceil(length / 2), view.to - Math.ceil(length / 2)),
    later: (length) => look(view.from + Math.ceil(length / 2), view.to + Math.ceil(length / 2)),
    nearer: (length) => look(view.from + Math.floor(length / 4), view.to - Math.floor(length / 4)),
    farther: (length) => look(view.from - Math.ceil(length / 2), view.to + Math.ceil(length / 2)),
  };

  function filter() {
    const wanted = document.getElementById("history-find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const changed = document.getElementById("history-changed").checked;
    for (const each of charts) {
      each.figure.hidden = (changed && !each.raw.changes.length) || !wanted.every((part) => each.text.includes(part));
    }
    count();
  }

  // A link to a case opens its chart.
  function follow() {
    const chart = charts.find((each) => `#${each.figure.id}` === location.hash);
    if (!chart) return;
    chart.figure.hidden = false;
    chart.open(true);
    chart.figure.scrollIntoView();
    chart.button.focus({ preventScroll: true });
  }

  function recolour() {
    const style = getComputedStyle(root);
    for (const name of ["ink", "soft", "line", "raised", "mark", "bad", "good"]) {
      colours[name] = style.getPropertyValue(`--${name}`);
    }
    drawn.forEach((each) => each.draw());
  }

  function begin() {
    scene.data = JSON.parse(document.getElementById("history-data").textContent);
    const { runs } = scene.data;
    const length = runs.commit.length;
    for (const name of Object.keys(runs.setting)) runs.setting[name] = whole(runs.setting[name], length);
    Object.assign(runs, { dirty: new Set(runs.dirty), said: new Map(runs.said), subject: new Map(runs.subject) });
    Object.assign(view, { to: length - 1, last: length - 1 });
    const figures = document.querySelectorAll("figure.chart");
    scene.data.series.forEach((raw, number) => charts.push(new Chart(figures[number], raw)));
    recolour();
    const byFigure = new Map(charts.map((each) => [each.figure, each]));
    const watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const chart = byFigure.get(target);
        if (isIntersecting) drawn.add(chart);
        else drawn.delete(chart);
        if (isIntersecting) chart.draw();
        else Object.assign(chart.canvas, { width: 0, height: 0 });  // its memory
      }
    }, { rootMargin: "300px" });
    charts.forEach((each) => watch.observe(each.figure));
    const tools = document.getElementById("history-tools");
    tools.querySelectorAll("input").forEach((each) => each.addEventListener("input", filter));
    tools.querySelectorAll("[data-go]").forEach((each) =>
      each.addEventListener("click", () => go[each.dataset.go](view.to - view.from + 1)));
    tools.hidden = document.getElementById("history-hint").hidden = false;
    count();
    new ResizeObserver(() => drawn.forEach((each) => each.draw())).observe(document.querySelector(".charts"));
    new MutationObserver(recolour).observe(root, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    addEventListener("hashchange", follow);
    follow();
  }

  document.addEventListener("DOMContentLoaded", begin);
})();

"use strict";
(() => {
  const LEAST_RUNS = 5;
  const MOST_BANDS = 5;
  const FIRST_BANDS = ["machine", "torch", "driver", "cuda", "cudnn"];
  const root = document.documentElement;
  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const shown = (value) =>
    Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));
  const percent = (share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)} %`;

  let data = null;
  let colours = {};
  const view = { from: 0, to: 0, last: 0 };
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
      processes: whole(raw.processes, length), changes: raw.changes.map((each) => data.changes[each]),
    };
  }

  // The first index whose place is at least this one.
  function indexAt(places, place) {
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle] < place) low = middle + 1; else high = middle;
    }
    return low;
  }

  const nearest = (places, place) => {
    const after = Math.min(indexAt(places, place), places.length - 1);
    return after > 0 && place - places[after - 1] < places[after] - place ? after - 1 : after;
  };

  const toneOf = (change) => (change.worse === null ? "mark" : change.worse ? "bad" : "good");

  class Chart {
    constructor(figure, raw) {
      this.figure = figure;
      this.raw = raw;
      this.cursor = null;  // index of the run that is told
      this.drag = null;  // places between which a pointer is drawn
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
      const since = data.runs.at[this.series.places[change.index]].slice(0, 10);
      const besides = change.besides.length ? `; ${change.besides.join(", ")}` : "";
      const item = make("li", {}, make("strong", { textContent: how }), `${interval}, since ${since}, ${change.where}${besides}`);
      const suspects = data.suspects[change.where] ?? [];
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
      const { runs } = data;
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
      const names = Object.keys(data.runs.setting);
      const rank = (name) => (FIRST_BANDS.indexOf(name) + FIRST_BANDS.length + 1) % (FIRST_BANDS.length + 1);
      names.sort((a, b) => rank(a) - rank(b));
      return (this.turning ??= names
        .map((name) => [name, this.series.places.map((place) => data.runs.setting[name][place])])
        .filter(([, texts]) => new Set(texts).size > 1)
        .slice(0, MOST_BANDS));
    }

    draw() {
      if (!drawn.has(this)) return;
      const { places, values, low, high, unit, changes } = this.series;
      const bands = this.isOpen ? this.bands() : [];
      const ratio = devicePixelRatio || 1;
      const [across, down] = [this.canvas.clientWidth, this.canvas.clientHeight];
      Object.assign(this.canvas, { width: Math.round(across * ratio), height: Math.round(down * ratio) });
      const pen = this.canvas.getContext("2d");
      pen.scale(ratio, ratio);
      pen.font = "11px system-ui, sans-serif";
      const [left, right] = this.isOpen ? [62, 8] : [3, 3];
      const top = this.isOpen ? 18 * bands.length + (changes.length ? 34 : 10) : 6;
      const plot = { left, top, width: across - left - right, height: down - top - (this.isOpen ? 24 : 5) };
      this.plot = plot;
      const first = indexAt(places, view.from);
      const end = indexAt(places, view.to + 1);
      if (first === end) {
        pen.fillStyle = colours.soft;
        pen.fillText("no run between these commits", left + 4, top + plot.height / 2);
        return;
      }
      let [least, most] = [Infinity, -Infinity];
      for (let index = first; index < end; index += 1) {
        least = Math.min(least, low ? low[index] : values[index]);
        most = Math.max(most, high ? high[index] : values[index]);
      }
      const spare = (most - least) * 0.05 || Math.abs(most) * 0.05 || 1;
      [least, most] = [least - spare, most + spare];
      const step = plot.width / (view.to - view.from + 1);
      const x = (place) => left + (place - view.from + 0.5) * step;
      const y = (value) => top + plot.height * (1 - (value - least) / (most - least));
      if (this.isOpen) this.axes(pen, { x, y, least, most, first, end, unit });
      bands.forEach((band, number) => this.band(pen, band, number, { x, step, first, end }));
      pen.save();
      pen.beginPath();
      pen.rect(left, 0, plot.width, down);
      pen.clip();
      this.points(pen, { x, y, step, first, end });
      this.levels(pen, { x, y, step });
      this.changed(pen, { x, from: 18 * bands.length });
      if (this.isOpen) this.marks(pen, { x, y });
      pen.restore();
    }

    axes(pen, { x, y, least, most, first, end, unit }) {
      const { left, top, width, height } = this.plot;
      const rough = (most - least) / 5;
      const power = 10 ** Math.floor(Math.log10(rough));
      const tick = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
      pen.textAlign = "right";
      for (let value = Math.ceil(least / tick) * tick; value <= most; value += tick) {
        pen.fillStyle = colours.line;
        pen.fillRect(left, Math.round(y(value)), width, 1);
        pen.fillStyle = colours.soft;
        pen.fillText(String(Number(value.toPrecision(6))), left - 5, y(value) + 4);
      }
      if (unit) pen.fillText(unit, left - 5, top - 4);
      pen.textAlign = "center";
      const many = Math.max(1, Math.floor(width / 90));
      const stride = Math.max(1, Math.ceil((end - first) / many));
      for (let index = first + (stride >> 1); index < end; index += stride) {
        const place = this.series.places[index];
        pen.fillText(data.runs.commit[place].slice(0, 7) || data.runs.at[place].slice(0, 10), x(place), top + height + 16);
      }
      pen.textAlign = "left";
    }

    // A strip with the value of a version, a driver or a machine, in turns light and dark.
    band(pen, [name, texts], number, { x, step, first, end }) {
      const [row, { left, width }] = [18 * number, this.plot];
      pen.fillStyle = colours.soft;
      pen.textAlign = "right";
      pen.fillText(name.length > 9 ? `${name.slice(0, 8)}…` : name, left - 5, row + 12);
      pen.textAlign = "left";
      for (let start = first, turn = 0; start < end; turn += 1) {
        let stop = start;
        while (stop < end && texts[stop] === texts[start]) stop += 1;
        const from = Math.max(left, x(this.series.places[start]) - step / 2);
        const to = stop < end ? x(this.series.places[stop]) - step / 2 : left + width;
        pen.save();
        pen.beginPath();
        pen.rect(from, row, to - from - 1, 16);
        pen.clip();
        pen.fillStyle = turn % 2 ? colours.line : colours.raised;
        pen.fillRect(from, row, to - from - 1, 16);
        pen.fillStyle = colours.ink;
        pen.fillText(texts[start] || "none", from + 4, row + 12);
        pen.restore();
        start = stop;
      }
    }

    points(pen, { x, y, step, first, end }) {
      const { places, values, low, high } = this.series;
      if (low) {
        pen.fillStyle = colours.mark;
        pen.globalAlpha = 0.3;
        const wide = Math.min(Math.max(step * 0.6, 1), 4);
        for (let index = first; index < end; index += 1) {
          const above = y(high[index]);
          pen.fillRect(x(places[index]) - wide / 2, above, wide, Math.max(y(low[index]) - above, 1));
        }
      }
      pen.globalAlpha = 0.75;
      pen.fillStyle = colours.mark;
      const size = this.isOpen ? Math.min(Math.max(step * 0.7, 2.5), 6) : 2;
      for (let index = first; index < end; index += 1) {
        pen.fillRect(x(places[index]) - size / 2, y(values[index]) - size / 2, size, size);
      }
      pen.globalAlpha = 1;
    }

    levels(pen, { x, y, step }) {
      const { places, values, changes } = this.series;
      const ends = [0, ...changes.map((each) => each.index), values.length];
      pen.fillStyle = colours.ink;
      for (let part = 0; part + 1 < ends.length; part += 1) {
        const [start, stop] = [ends[part], ends[part + 1]];
        let sum = 0;
        for (let index = start; index < stop; index += 1) sum += values[index];
        const from = x(places[start]) - step / 2;
        pen.fillRect(from, y(sum / (stop - start)) - 0.75, x(places[stop - 1]) + step / 2 - from, 1.5);
      }
    }

    changed(pen, { x, from }) {
      const { places, changes } = this.series;
      const { top, height } = this.plot;
      const taken = [-Infinity, -Infinity];
      for (const change of changes) {
        const at = (x(places[change.index - 1]) + x(places[change.index])) / 2;
        pen.strokeStyle = colours[toneOf(change)];
        pen.setLineDash([4, 3]);
        pen.lineWidth = 1.25;
        pen.beginPath();
        pen.moveTo(at, top);
        pen.lineTo(at, top + height);
        pen.stroke();
        pen.setLineDash([]);
        if (!this.isOpen) continue;
        const text = change.change === null ? "from 0" : percent(change.change);
        const row = taken.findIndex((end) => end < at - 2);
        if (row < 0) continue;
        pen.fillStyle = colours[toneOf(change)];
        const { width } = pen.measureText(text);
        const start = Math.min(at - 2, this.plot.left + this.plot.width - width);
        pen.fillText(text, start, from + 12 + 14 * row);
        taken[row] = start + width + 6;
      }
    }

    // The run that is told below, and what a pointer has drawn.
    marks(pen, { x, y }) {
      const { places, values } = this.series;
      const { top, height } = this.plot;
      if (this.drag) {
        pen.fillStyle = colours.mark;
        pen.globalAlpha = 0.2;
        pen.fillRect(x(this.drag[0]), top, x(this.drag[1]) - x(this.drag[0]), height);
        pen.globalAlpha = 1;
      }
      const at = x(places[this.cursor]);
      pen.strokeStyle = colours.ink;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(at, top);
      pen.lineTo(at, top + height);
      pen.moveTo(at + 5, y(values[this.cursor]));
      pen.arc(at, y(values[this.cursor]), 5, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  const count = () => {
    const said = charts.filter((each) => !each.figure.hidden).length;
    const name = (place) => data.runs.commit[place].slice(0, 7) || data.runs.at[place].slice(0, 10);
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
    data = JSON.parse(document.getElementById("history-data").textContent);
    const { runs } = data;
    const length = runs.commit.length;
    for (const name of Object.keys(runs.setting)) runs.setting[name] = whole(runs.setting[name], length);
    Object.assign(runs, { dirty: new Set(runs.dirty), said: new Map(runs.said), subject: new Map(runs.subject) });
    Object.assign(view, { to: length - 1, last: length - 1 });
    const figures = document.querySelectorAll("figure.chart");
    data.series.forEach((raw, number) => charts.push(new Chart(figures[number], raw)));
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

"use strict";
// What all charts of a page share: its data, the runs that are shown, the theme's colours.
const scene = { data: null, colours: {}, view: { from: 0, to: 0, last: 0 } };

// Draws a chart on its canvas: strips of versions, axes, intervals, points, levels, changes.
const paint = (() => {
  const { view, colours } = scene;
  const percent = (share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)} %`;
  const toneOf = (change) => (change.worse === null ? "mark" : change.worse ? "bad" : "good");

  // The first index whose place is at least this one.
  function indexAt(places, place) {
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle] < place) low = middle + 1; else high = middle;
    }
    return low;
  }

  function draw(chart) {
    const { places, values, low, high, unit, changes } = chart.series;
    const bands = chart.isOpen ? chart.bands() : [];
    const ratio = devicePixelRatio || 1;
    const [across, down] = [chart.canvas.clientWidth, chart.canvas.clientHeight];
    Object.assign(chart.canvas, { width: Math.round(across * ratio), height: Math.round(down * ratio) });
    const pen = chart.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "11px system-ui, sans-serif";
    const [left, right] = chart.isOpen ? [62, 8] : [3, 3];
    const top = chart.isOpen ? 18 * bands.length + (changes.length ? 34 : 10) : 6;
    const plot = { left, top, width: across - left - right, height: down - top - (chart.isOpen ? 24 : 5) };
    chart.plot = plot;
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
    if (chart.isOpen) axes(chart, pen, { x, y, least, most, first, end, unit });
    bands.forEach((band, row) => strip(chart, pen, band, row, { x, step, first, end }));
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, plot.width, down);
    pen.clip();
    points(chart, pen, { x, y, step, first, end });
    levels(chart, pen, { x, y, step });
    changed(chart, pen, { x, from: 18 * bands.length });
    if (chart.isOpen) marks(chart, pen, { x, y });
    pen.restore();
  }

  function axes(chart, pen, { x, y, least, most, first, end, unit }) {
    const { left, top, width, height } = chart.plot;
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
      const place = chart.series.places[index];
      pen.fillText(scene.data.runs.commit[place].slice(0, 7) || scene.data.runs.at[place].slice(0, 10), x(place), top + height + 16);
    }
    pen.textAlign = "left";
  }

  // A strip with the value of a version, a driver or a machine, in turns light and dark.
  function strip(chart, pen, [name, texts], row, { x, step, first, end }) {
    const [above, { left, width }] = [18 * row, chart.plot];
    pen.fillStyle = colours.soft;
    pen.textAlign = "right";
    pen.fillText(name.length > 9 ? `${name.slice(0, 8)}…` : name, left - 5, above + 12);
    pen.textAlign = "left";
    for (let start = first, turn = 0; start < end; turn += 1) {
      let stop = start;
      while (stop < end && texts[stop] === texts[start]) stop += 1;
      const from = Math.max(left, x(chart.series.places[start]) - step / 2);
      const to = stop < end ? x(chart.series.places[stop]) - step / 2 : left + width;
      pen.save();
      pen.beginPath();
      pen.rect(from, above, to - from - 1, 16);
      pen.clip();
      pen.fillStyle = turn % 2 ? colours.line : colours.raised;
      pen.fillRect(from, above, to - from - 1, 16);
      pen.fillStyle = colours.ink;
      pen.fillText(texts[start] || "none", from + 4, above + 12);
      pen.restore();
      start = stop;
    }
  }

  function points(chart, pen, { x, y, step, first, end }) {
    const { places, values, low, high } = chart.series;
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
    const size = chart.isOpen ? Math.min(Math.max(step * 0.7, 2.5), 6) : 2;
    for (let index = first; index < end; index += 1) {
      pen.fillRect(x(places[index]) - size / 2, y(values[index]) - size / 2, size, size);
    }
    pen.globalAlpha = 1;
  }

  function levels(chart, pen, { x, y, step }) {
    const { places, values, changes } = chart.series;
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

  function changed(chart, pen, { x, from }) {
    const { places, changes } = chart.series;
    const { top, height } = chart.plot;
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
      if (!chart.isOpen) continue;
      const text = change.change === null ? "from 0" : percent(change.change);
      const row = taken.findIndex((end) => end < at - 2);
      if (row < 0) continue;
      pen.fillStyle = colours[toneOf(change)];
      const { width } = pen.measureText(text);
      const start = Math.min(at - 2, chart.plot.left + chart.plot.width - width);
      pen.fillText(text, start, from + 12 + 14 * row);
      taken[row] = start + width + 6;
    }
  }

  // The run that is told below, and what a pointer has drawn.
  function marks(chart, pen, { x, y }) {
    const { places, values } = chart.series;
    const { top, height } = chart.plot;
    if (chart.drag) {
      pen.fillStyle = colours.mark;
      pen.globalAlpha = 0.2;
      pen.fillRect(x(chart.drag[0]), top, x(chart.drag[1]) - x(chart.drag[0]), height);
      pen.globalAlpha = 1;
    }
    const at = x(places[chart.cursor]);
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(at, top);
    pen.lineTo(at, top + height);
    pen.moveTo(at + 5, y(values[chart.cursor]));
    pen.arc(at, y(values[chart.cursor]), 5, 0, 2 * Math.PI);
    pen.stroke();
  }

  return { draw, indexAt, percent };
})();

"use strict";
(() => {
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

  document.addEventListener("DOMContentLoaded", rawSamples);
})();

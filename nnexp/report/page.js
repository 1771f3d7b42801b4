"use strict";
// What a chart can do where scripts run: a crosshair with a readout, and zoom. Without, all is there to read.
const SVG = "http://www.w3.org/2000/svg";
const SPLIT = /[ ,]/;

function make(name, attributes, space) {
  const element = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function ticks(low, high) { // as in charts.py
  const rough = (high - low) / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * power).find((each) => each >= rough);
  const marks = [];
  for (let k = Math.ceil(low / step); k <= Math.floor(high / step); k += 1) marks.push(k * step);
  return marks;
}

function enhance(figure) {
  const svg = figure.querySelector("svg");
  const plot = svg.querySelector(".plot");
  const [left, top, wide, tall] = ["x", "y", "width", "height"].map((key) => +plot.getAttribute(key));
  const [x0, x1] = svg.dataset.x.split(" ").map(Number);
  const [y0, y1] = svg.dataset.y.split(" ").map(Number);
  const unit = svg.dataset.unit;
  const curves = [...plot.querySelectorAll("polyline")].map((line) => {
    const numbers = line.getAttribute("points").split(SPLIT).map(Number);
    const points = [];
    for (let k = 0; k < numbers.length; k += 2) {
      points.push([x0 + numbers[k] / wide * (x1 - x0), y1 - numbers[k + 1] / tall * (y1 - y0)]);
    }
    return { name: line.dataset.name, points };
  });
  const epochs = [...new Set(curves.flatMap((curve) => curve.points.map((point) => Math.round(point[0]))))];
  epochs.sort((a, b) => a - b);
  let view = [x0, x1, y0, y1];

  const slider = make("input", { type: "range", min: 0, max: epochs.length - 1, value: epochs.length - 1 });
  const label = make("label", {});
  label.append("Epoch ", slider);
  const closer = make("button", { type: "button" });
  closer.textContent = "Zoom in";
  const whole = make("button", { type: "button" });
  whole.textContent = "Show all";
  const tools = make("div", { class: "tools", role: "group", "aria-label": `Read and zoom: ${figure.querySelector("figcaption").textContent}` });
  tools.append(label, closer, whole);
  const readout = make("output", { class: "readout" });
  figure.append(tools, readout);
  const cross = make("line", { class: "cross", y1: top, y2: top + tall, visibility: "hidden" }, SVG);
  const drag = make("rect", { class: "drag", y: top, height: tall, visibility: "hidden" }, SVG);
  svg.append(cross, drag);

  const place = (epoch) => left + (epoch - view[0]) / (view[1] - view[0]) * wide;
  const written = (value) => unit ? `${value.toFixed(2)} ${unit}` : String(+value.toPrecision(4));

  function read(index, marked = true) {
    const epoch = epochs[index];
    slider.value = index;
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    const found = curves.flatMap((curve) => {
      const point = curve.points.find((each) => Math.round(each[0]) === epoch);
      return point ? [`${curve.name} ${written(point[1])}`] : [];
    });
    readout.textContent = `Epoch ${epoch}: ${found.join(", ")}`;
    const x = place(epoch);
    cross.setAttribute("x1", x);
    cross.setAttribute("x2", x);
    cross.setAttribute("visibility", marked && x >= left && x <= left + wide ? "visible" : "hidden");
  }

  function axes() {
    const group = svg.querySelector(".ticks");
    group.replaceChildren();
    const mark = (line, text, content) => {
      const words = make("text", text, SVG);
      words.textContent = content;
      group.append(make("line", line, SVG), words);
    };
    for (const value of ticks(view[0], view[1]).filter((each) => Number.isInteger(+each.toPrecision(9)))) {
      const x = place(value);
      mark({ x1: x, x2: x, y1: top, y2: top + tall }, { class: "x", x, y: top + tall + 16 }, String(+value.toPrecision(9)));
    }
    for (const value of ticks(view[2], view[3])) {
      const y = top + tall - (value - view[2]) / (view[3] - view[2]) * tall;
      mark({ x1: left, x2: left + wide, y1: y, y2: y }, { class: "y", x: left - 7, y: y + 4 }, String(+value.toPrecision(6)));
    }
  }

  function show(low, high) {
    const all = low <= x0 && high >= x1;
    view = all ? [x0, x1, y0, y1] : [Math.max(low, x0), Math.min(high, x1), y0, y1];
    if (!all) {
      const seen = curves.flatMap((curve) => curve.points.filter((each) => each[0] >= view[0] && each[0] <= view[1]));
      const values = seen.map((each) => each[1]);
      if (values.length) {
        const [least, most] = [Math.min(...values), Math.max(...values)];
        const air = (most - least) * 0.06 || Math.abs(most) * 0.1 || 1;
        view = [view[0], view[1], least - air, most + air];
      }
    }
    const box = [
      (view[0] - x0) / (x1 - x0) * wide, (y1 - view[3]) / (y1 - y0) * tall,
      (view[1] - view[0]) / (x1 - x0) * wide, (view[3] - view[2]) / (y1 - y0) * tall,
    ];
    plot.setAttribute("viewBox", box.join(" "));
    const letters = svg.querySelector(".letters");
    if (letters) letters.setAttribute("visibility", all ? "visible" : "hidden");
    axes();
    read(+slider.value);
  }

  function under(event) {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    return view[0] + Math.min(1, Math.max(0, (x - left) / wide)) * (view[1] - view[0]);
  }

  function nearest(epoch) {
    return epochs.reduce((best, each, k) => Math.abs(each - epoch) < Math.abs(epochs[best] - epoch) ? k : best, 0);
  }

  let from = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) {
      from = under(event);
      event.preventDefault();
    }
  });
  svg.addEventListener("pointermove", (event) => {
    const epoch = under(event);
    read(nearest(epoch));
    if (from !== null) {
      const [start, end] = [place(from), place(epoch)].sort((a, b) => a - b);
      drag.setAttribute("x", start);
      drag.setAttribute("width", end - start);
      drag.setAttribute("visibility", "visible");
    }
  });
  addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [low, high] = [from, under(event)].sort((a, b) => a - b);
    from = null;
    drag.setAttribute("visibility", "hidden");
    if (high - low > (view[1] - view[0]) * 0.02) show(low, high);
  });
  svg.addEventListener("dblclick", () => show(x0, x1));
  slider.addEventListener("input", () => read(+slider.value));
  closer.addEventListener("click", () => {
    const [middle, half] = [epochs[+slider.value], Math.max(1, (view[1] - view[0]) / 4)];
    show(middle - half, middle + half);
  });
  whole.addEventListener("click", () => show(x0, x1));
  if (curves.length <= 8) read(epochs.length - 1, false);
}

document.querySelectorAll("figure.chart").forEach(enhance);

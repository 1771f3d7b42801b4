// The pad to draw on: every network of the page answers. A drawing is prepared as drawing.py does it.
const SIDE = 28, BOX = 20, INKED = 0.35, FAINT = 0.1, HALF = 0.5 + 1e-9; // as in drawing.py
const PAD = 280, PEN = 22, STEP = 7; // pixels of the pad, of the pen, and of one press of a key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function total(values) {
  return values.reduce((sum, value) => sum + value, 0);
}

function numbers(text, type) {
  return new type(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
}

function embedded(figure) {
  const { sizes, dtype, parameters, mean, deviation, classes, ...words } = figure.dataset;
  const type = dtype === "float64" ? Float64Array : Float32Array;
  const values = numbers(parameters, type);
  const counts = sizes.split(" ").map(Number);
  const layers = [];
  let from = 0;
  for (let k = 1; k < counts.length; k += 1) {
    const [inputs, neurons] = [counts[k - 1], counts[k]];
    const weights = values.subarray(from, from + inputs * neurons); // (inputs, neurons)
    from += inputs * neurons;
    layers.push({ weights, biases: values.subarray(from, from + neurons) });
    from += neurons;
  }
  return {
    ...words, layers, scale: +words.scale, classes: JSON.parse(classes),
    mean: mean && numbers(mean, Float64Array), deviation: deviation && numbers(deviation, Float64Array),
  };
}

const APPLY = {
  sigmoid: (z) => z.map((logit) => (1 + Math.tanh(logit / 2)) / 2),
  tanh: (z) => z.map(Math.tanh),
  relu: (z) => z.map((logit) => Math.max(0, logit)),
  linear: (z) => z,
  softmax: (z) => {
    const most = Math.max(...z);
    const powers = z.map((logit) => Math.exp(logit - most));
    const sum = total(powers);
    return powers.map((power) => power / sum);
  },
};

// Return the values of all layers but the inputs for an image of pixels from 0 to 255.
function activations(network, pixels) {
  const { mean, deviation, scale } = network;
  let values = Array.from(pixels, (pixel, k) => mean ? (pixel - mean[k]) / deviation[k] : pixel / scale);
  return network.layers.map(({ weights, biases }, index) => {
    const z = Array.from(biases), neurons = z.length;
    values.forEach((value, input) => {
      if (value !== 0) for (let k = 0; k < neurons; k += 1) z[k] += value * weights[input * neurons + k];
    });
    values = APPLY[index < network.layers.length - 1 ? network.activation : network.output](z);
    return values;
  });
}

function largest(outputs) { // the first of equals
  return outputs.reduce((best, output, k) => output > outputs[best] ? k : best, 0);
}

// Weights that average a length of pixels over equal parts, one row a part.
function areas(length, count) {
  return Array.from({ length: count }, (_, part) => Array.from({ length }, (_, pixel) => {
    const inside = Math.min((part + 1) * length / count, pixel + 1) - Math.max(part * length / count, pixel);
    return Math.max(0, inside) * count / length;
  }));
}

// Weights of a bilinear reduction, as of predict's pictures that are only resized.
function triangles(length, count) {
  const step = length / count;
  return Array.from({ length: count }, (_, part) => {
    const row = Array.from({ length }, (_, pixel) => Math.max(0, 1 - Math.abs(pixel + 0.5 - (part + 0.5) * step) / step));
    const sum = total(row);
    return row.map((weight) => weight / sum);
  });
}

// Return the product of down, rows and the transpose of across.
function scaled(rows, down, across) {
  const weighed = (weights, value) => weights.reduce((sum, weight, k) => weight ? sum + weight * value(k) : sum, 0);
  const narrow = rows.map((row) => across.map((weights) => weighed(weights, (k) => row[k])));
  return down.map((weights) => across.map((_, column) => weighed(weights, (k) => narrow[k][column])));
}

function offset(mass) { // where rows or columns begin so that their centre of mass is in the middle
  const whole = total(mass), moment = total(mass.map((pixels, k) => pixels * k));
  return Math.min(SIDE - mass.length, Math.max(0, Math.floor((SIDE * whole - 2 * moment) / (2 * whole))));
}

// Return a drawing, rows of greys from 0 to 255 with an empty edge, as MNIST's makers prepared theirs.
function prepared(greys) {
  const result = new Uint8Array(SIDE * SIDE);
  const darkest = Math.max(1, ...greys.map((row) => Math.max(...row)));
  const ink = greys.map((row) => row.map((grey) => grey / darkest));
  const rows = ink.flatMap((row, k) => row.some((shade) => shade > INKED) ? [k] : []);
  if (!rows.length) return result;
  const columns = ink[0].flatMap((_, k) => ink.some((row) => row[k] > INKED) ? [k] : []);
  const [top, bottom, left, right] = [rows[0], rows.at(-1), columns[0], columns.at(-1)];
  const cropped = ink.slice(top, bottom + 1).map((row) => row.slice(left, right + 1).map((shade) => shade < FAINT ? 0 : shade));
  const size = [cropped.length, cropped[0].length], longest = Math.max(...size);
  const [height, width] = size.map((side) => Math.max(1, Math.floor((2 * BOX * side + longest) / (2 * longest))));
  const small = scaled(cropped, areas(size[0], height), areas(size[1], width));
  const factor = 255 / Math.max(...small.map((row) => Math.max(...row)));
  const pixels = small.map((row) => row.map((shade) => Math.floor(shade * factor + HALF)));
  const down = offset(pixels.map(total));
  const across = offset(pixels[0].map((_, k) => total(pixels.map((row) => row[k]))));
  pixels.forEach((row, y) => row.forEach((pixel, x) => {
    result[(down + y) * SIDE + across + x] = pixel;
  }));
  return result;
}

function resized(greys) {
  const weights = triangles(PAD, SIDE);
  return Uint8Array.from(scaled(greys, weights, weights).flat(), (grey) => Math.floor(grey + HALF));
}

function picture(canvas) { // rows of greys
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => data[4 * (y * width + x)]));
}

function show(pixels, canvas) {
  const image = new ImageData(SIDE, SIDE);
  pixels.forEach((pixel, k) => image.data.set([pixel, pixel, pixel, 255], 4 * k));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const RANGES = { tanh: [-1, 1] };

// Add to a figure what shows a network's answer, and return a function that shows it.
function answering(figure) {
  const network = embedded(figure);
  const part = (name, attributes, parent = figure) => {
    const element = make(name, attributes);
    parent.append(element);
    return element;
  };
  const answered = part("div", { class: "answered" });
  const seen = part("canvas", { width: SIDE, height: SIDE, class: "seen", role: "img", "aria-label": "The drawing as the network sees it" }, answered);
  const answer = part("p", { class: "answer-class" }, answered);
  const hidden = network.layers.slice(0, -1).map(({ biases }, index) => {
    const svg = make("svg", { viewBox: `0 0 ${biases.length} 2`, preserveAspectRatio: "none", class: "neurons", role: "img" }, SVG);
    const words = part("p", { class: "hidden-layer" });
    words.append(`Hidden layer ${index + 1}: ${biases.length} neurons`, svg);
    const bars = Array.from(biases, (_, k) => make("rect", { x: k + 0.1, width: 0.8 }, SVG));
    svg.append(...bars);
    return { svg, bars };
  });
  const list = part("ol", { class: "outputs" });
  const outputs = network.classes.map((name) => {
    const item = part("li", {}, list);
    part("span", { class: "name" }, item).textContent = name;
    const bar = part("i", {}, part("span", { class: "bar" }, item));
    return { item, bar, value: part("span", { class: "value" }, item) };
  });

  function neurons({ svg, bars }, values, index) {
    const bound = network.activation === "relu" ? Math.max(1e-9, ...values) : 1;
    const base = network.activation === "tanh" ? 1 : 2;
    bars.forEach((bar, k) => {
      const height = Math.min(base, base * Math.abs(values[k]) / bound);
      bar.setAttribute("y", values[k] < 0 ? base : base - height);
      bar.setAttribute("height", height);
    });
    svg.setAttribute("aria-label", `Hidden layer ${index + 1}: ${values.map((value) => value.toFixed(2)).join(", ")}`);
  }

  return (greys) => {
    const pixels = network.prepares === "true" ? prepared(greys) : resized(greys);
    show(pixels, seen);
    const isEmpty = pixels.every((pixel) => pixel === 0);
    const layers = activations(network, pixels), last = layers.pop();
    const best = largest(last), [low, high] = RANGES[network.output] ?? [0, 1];
    layers.forEach((values, index) => neurons(hidden[index], isEmpty ? values.map(() => 0) : values, index));
    outputs.forEach(({ item, bar, value }, k) => {
      bar.style.width = isEmpty ? "0" : `${100 * Math.min(1, Math.max(0, (last[k] - low) / (high - low)))}%`;
      value.textContent = isEmpty ? "" : last[k].toFixed(2);
      item.classList.toggle("largest", !isEmpty && k === best);
    });
    answer.textContent = isEmpty ? "–" : network.classes[best];
    return isEmpty ? null : network.classes[best];
  };
}

function drawable(drawing) {
  const figures = [...drawing.querySelectorAll(".network")];
  const answers = figures.map(answering);
  const pad = make("canvas", { width: PAD, height: PAD, class: "pad", tabindex: 0, role: "application", "aria-label": "Pad to draw on; arrow keys move the pen, Space lowers and lifts it, Delete clears" });
  const pen = make("span", { class: "pen", hidden: "" });
  const frame = make("div", { class: "pad-frame" });
  const clear = make("button", { type: "button" });
  clear.textContent = "Clear";
  const spoken = make("output", { class: "spoken" });
  const tools = make("div", { class: "tools", role: "group", "aria-label": "Drawing" });
  tools.append(clear, spoken);
  const column = make("div", { class: "pad-column" });
  frame.append(pad, pen);
  column.append(frame, tools);
  drawing.querySelector(".networks").before(column);

  const context = pad.getContext("2d", { alpha: false, willReadFrequently: true });
  context.beginPath();
  context.rect(1, 1, PAD - 2, PAD - 2); // the edge stays empty, by which the ground is known
  context.clip();
  Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: PEN, strokeStyle: "white" });

  let at = [PAD / 2, PAD / 2], isDown = false, isLowered = false;
  const held = new Set();

  function respond(isWhole) {
    const greys = picture(pad);
    const classes = answers.map((answer) => answer(greys));
    if (isWhole) spoken.textContent = classes.includes(null) ? "" : classes.map((name, k) => `${figures[k].dataset.label}: ${name}`).join(", ");
  }
  function draw(to) {
    context.beginPath();
    context.moveTo(...at);
    context.lineTo(...to);
    context.stroke();
    at = to;
  }
  function wipe() {
    context.fillStyle = "black";
    context.fillRect(0, 0, PAD, PAD);
    respond(true);
  }
  function place(event) {
    const box = pad.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * PAD, (event.clientY - box.top) / box.height * PAD];
  }
  function mark() {
    pen.style.left = `${100 * at[0] / PAD}%`;
    pen.style.top = `${100 * at[1] / PAD}%`;
    pen.classList.toggle("down", isLowered);
  }

  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    pad.setPointerCapture(event.pointerId);
    isDown = true;
    at = place(event);
    draw(at);
    respond(false);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!isDown || !event.isPrimary) return;
    const passed = event.getCoalescedEvents();
    for (const moved of passed.length ? passed : [event]) draw(place(moved));
    respond(false);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    pad.addEventListener(kind, (event) => {
      if (!isDown || !event.isPrimary) return;
      isDown = false;
      respond(true);
    });
  }
  pad.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " ") {
      if (!event.repeat) isLowered = !isLowered;
      if (isLowered) draw(at);
    } else if (event.key in ARROWS) {
      held.add(event.key); // two at once draw a slanting line
      const to = at.map((start, axis) => [...held].reduce((sum, key) => sum + STEP * ARROWS[key][axis], start))
        .map((end) => Math.min(PAD, Math.max(0, end)));
      if (isLowered) draw(to);
      at = to;
    } else if (event.key === "Delete") {
      wipe();
    } else {
      return;
    }
    event.preventDefault();
    pen.hidden = false;
    mark();
    respond(!isLowered);
  });
  pad.addEventListener("keyup", (event) => held.delete(event.key));
  pad.addEventListener("blur", () => {
    held.clear();
    isLowered = false;
    pen.hidden = true;
  });
  clear.addEventListener("click", wipe);
  wipe();
}

document.querySelectorAll(".drawing").forEach(drawable);

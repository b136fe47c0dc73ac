// Draws one chart (see chart_content.py) and keeps it as wide as its place.

const NEAR = 22; // px between the pointer and what it means
const LEAST_WIDTH = 120; // px; narrower ones are not laid out yet
const SIZES = { dot: 3.2, disc: 10, ring: 10, diamond: 10, tick: 9 };
const JOINED = ["line", "steps", "area"];

class Plot {
  constructor(place, chart, tooltip, linked) {
    Object.assign(this, { place, chart, tooltip, linked, whole: false, width: 0, items: [] });
    this.note = html("p", { class: "small note" }, chart.note);
    place.append(this.#header(), this.note);
    new ResizeObserver(([entry]) => this.#fit(entry.contentRect.width)).observe(place);
    if (chart.selects) {
      linked.addEventListener("chosen", () => this.root && this.#showChosen());
      linked.addEventListener("marked", () => this.root && this.#showMarked());
    }
  }

  #fit(room) {
    const width = Math.floor(room);
    if (width < LEAST_WIDTH || width === this.width) return;
    this.width = width;
    this.draw();
  }

  draw() {
    const hadFocus = this.root?.contains(document.activeElement);
    this.root?.remove();
    this.items = [];
    this.root = this.#frame();
    this.chart.rules.forEach((rule) => this.#rule(rule));
    this.chart.traces.forEach((trace) => this.#trace(trace));
    this.#names();
    this.note.hidden = this.whole || !this.chart.note;
    this.note.before(this.root);
    this.#listen();
    if (this.chart.selects) {
      this.#showChosen();
      this.#showMarked();
      if (hadFocus) this.#model(this.linked.chosen)?.mark.focus();
    }
  }

  // The legend, and a button for a larger part of the axis.
  #header() {
    const legend = html("ul", { class: "legend" });
    for (const trace of this.chart.traces.filter((each) => each.name)) {
      const key = svg("svg", { class: "key", width: 22, height: 14, "aria-hidden": "true" });
      key.append(...this.#key(trace));
      legend.append(html("li", {}, key, trace.name));
    }
    const header = html("div", { class: "plot-header" }, legend);
    if (this.chart.y.whole) {
      const button = html("button", { type: "button", "aria-pressed": "false" }, "All networks");
      button.addEventListener("click", () => {
        this.whole = !this.whole;
        button.setAttribute("aria-pressed", this.whole);
        this.draw();
      });
      header.append(button);
    }
    return header;
  }

  #key(trace) {
    if (trace.mark === "area") return [svg("rect", { class: trace.style, x: 1, y: 3, width: 20, height: 8 })];
    if (JOINED.includes(trace.mark)) return [svg("path", { class: `joined ${trace.style}`, d: "M1 7H21" })];
    return [shape(trace.mark, trace.style, 11, 7, Math.min(5.5, SIZES[trace.mark]))];
  }

  // Axes, grid and titles; everything that is drawn later goes into `inside`, which is cut at the axes.
  #frame() {
    const { chart, width } = this;
    const range = this.whole ? chart.y.whole : chart.y.range;
    const height = chart.height;
    const yTicks = axisTicks(chart.y, range, Math.max(3, height / 70));
    const left = 14 + 7.2 * Math.max(...yTicks.map(([, text]) => text.length), 3);
    Object.assign(this, { left, right: width - 16, top: 34, bottom: height - 46 });
    this.x = scale(chart.x.range, [left, this.right], chart.x.logarithmic);
    this.y = scale(range, [this.bottom, this.top], chart.y.logarithmic);
    const clip = `clip-${chart.name}`;
    const role = chart.selects ? "group" : "img";
    const root = svg("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`, role });
    root.setAttribute("aria-label", chart.label);
    const area = { x: left, y: this.top - 4, width: this.right - left, height: this.bottom - this.top + 4 };
    root.append(svg("clipPath", { id: clip }, svg("rect", area)));
    if (chart.shade) root.append(...this.#shade(chart.shade));
    for (const [value, text] of yTicks) {
      const y = this.y.at(value);
      root.append(svg("line", { class: "grid", x1: left, x2: this.right, y1: y, y2: y }));
      root.append(label(text, left - 8, y + 4, "end", "tick"));
    }
    for (const [value, text] of axisTicks(chart.x, chart.x.range, Math.max(2, (this.right - left) / 95))) {
      const x = this.x.at(value);
      root.append(svg("line", { class: "grid", x1: x, x2: x, y1: this.top, y2: this.bottom }));
      root.append(label(text, x, this.bottom + 18, "middle", "tick"));
    }
    root.append(svg("line", { class: "axis", x1: left, x2: this.right, y1: this.bottom, y2: this.bottom }));
    root.append(label(chart.y.title, 4, 16, "start", "title"));
    root.append(label(chart.x.title, this.right, height - 8, "end", "title"));
    this.behind = svg("g", { "clip-path": `url(#${clip})` });
    this.inside = svg("g", { "clip-path": `url(#${clip})` });
    this.above = svg("g"); // models: a disc at the edge is whole
    this.brush = svg("rect", { class: "brush", visibility: "hidden" });
    root.append(this.behind, this.inside, this.brush, this.above);
    return root;
  }

  #shade([end, name]) {
    const width = this.x.at(end) - this.left;
    const shade = { class: "shade", x: this.left, y: this.top, width, height: this.bottom - this.top };
    return [svg("rect", shade), label(name, this.left + 6, this.top + 14, "start", "note")];
  }

  #rule({ axis, at, label: text, style, colour }) {
    const place = this[axis].at(at);
    const ends =
      axis === "x"
        ? { x1: place, x2: place, y1: this.top, y2: this.bottom }
        : { x1: this.left, x2: this.right, y1: place, y2: place };
    this.behind.append(svg("line", { class: `rule ${style}`, stroke: colour, ...ends }));
    if (!text) return;
    const made =
      axis === "x"
        ? label(text, place - 6, this.top + 12, "end", `note ${style}`)
        : label(text, this.left + 6, place - 6, "start", `note ${style}`);
    this.behind.append(made);
  }

  #trace(trace) {
    const points = trace.x.map((x, i) => [this.x.at(x), this.y.at(trace.y[i])]);
    if (JOINED.includes(trace.mark)) {
      this.inside.append(joined(trace, points));
      points.forEach(([x, y], i) => this.#item({ trace, i, x, y }));
      return;
    }
    const models = trace.numbers.length > 0;
    points.forEach(([x, y], i) => {
      if (models && (y < this.top - 1 || y > this.bottom + 1)) return; // the note names it
      if (trace.low.length) this.inside.append(this.#bar(trace, i, x, y));
      const mark = models
        ? numbered(trace, x, y, i)
        : shape(trace.mark, trace.style, x, y, SIZES[trace.mark], trace.colour);
      (models ? this.above : this.inside).append(mark);
      this.#item({ trace, i, x, y, mark });
    });
  }

  #item(item) {
    if (!item.trace.hover.length) return;
    const { trace, i } = item;
    this.items.push({ ...item, id: trace.ids[i], number: trace.numbers[i], hover: trace.hover[i] });
  }

  #bar(trace, i, x, y) {
    const ends = [trace.low[i], trace.high[i]].map((value) => this[trace.bars].at(value));
    const line = trace.bars === "x" ? { x1: ends[0], x2: ends[1], y1: y, y2: y } : { x1: x, x2: x, y1: ends[0], y2: ends[1] };
    return svg("line", { class: `bar ${trace.style}`, ...line });
  }

  // Names beside their points, where they cover the fewest marks and names.
  #names() {
    const taken = this.items.filter((item) => item.number).map(({ x, y }) => box(x, y, 22, 22));
    for (const { x, y, text } of this.chart.names) {
      if (this.y.at(y) < this.top - 1 || this.y.at(y) > this.bottom + 1) continue;
      const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
      const [px, py] = [this.x.at(x), this.y.at(y)];
      const width = 6.4 * shown.length + 6;
      const places = [20, -20, 36, -36, 52, -52].flatMap((dy) => [0, -width / 2, width / 2].map((dx) => [px + dx, py + dy]));
      const cost = ([cx, cy]) => {
        const own = box(cx, cy, width, 15);
        const outside = own.left < this.left || own.right > this.right || own.top < this.top || own.bottom > this.bottom;
        return taken.filter((other) => overlap(own, other)).length + (outside ? 100 : 0);
      };
      const best = places.reduce((one, other) => (cost(other) < cost(one) ? other : one));
      taken.push(box(...best, width, 15));
      this.above.append(label(shown, best[0], best[1] + 4, "middle", "name"));
    }
  }

  #listen() {
    this.root.addEventListener("pointermove", (event) => this.#moved(event));
    this.root.addEventListener("pointerleave", () => this.#hover(null));
    if (!this.chart.selects) return;
    this.root.addEventListener("pointerdown", (event) => this.#pressed(event));
    this.root.addEventListener("pointerup", (event) => this.#released(event));
    this.root.addEventListener("keydown", (event) => this.#keyPressed(event));
    for (const item of this.#models()) {
      item.mark.addEventListener("focus", () => this.#hover(item));
      item.mark.addEventListener("blur", () => this.#hover(null));
    }
  }

  #at(event) {
    const place = this.root.getBoundingClientRect();
    const ratio = this.width / place.width;
    return [(event.clientX - place.left) * ratio, (event.clientY - place.top) * ratio];
  }

  #nearest([x, y]) {
    let best = null;
    let least = NEAR;
    for (const item of this.items) {
      // A model is meant rather than a network below it.
      const away = Math.hypot(item.x - x, item.y - y) - (item.number ? 8 : 0);
      const seen = item.y >= this.top - 12 && item.y <= this.bottom + 12;
      if (seen && away < least) [best, least] = [item, away];
    }
    return best;
  }

  #moved(event) {
    const here = this.#at(event);
    if (this.start) this.#drawBrush(this.start, here);
    else this.#hover(this.#nearest(here));
  }

  #hover(item) {
    this.hovered?.mark?.classList.remove("hovered");
    this.hovered = item;
    item?.mark?.classList.add("hovered");
    const place = this.root.getBoundingClientRect();
    const ratio = place.width / this.width;
    if (item) this.tooltip.show(item.hover, place.left + item.x * ratio, place.top + item.y * ratio);
    else this.tooltip.hide();
  }

  #pressed(event) {
    if (event.button !== 0) return;
    const here = this.#at(event);
    if (event.pointerType === "touch") this.#choose(here); // a drag scrolls
    else {
      this.start = here;
      this.root.setPointerCapture(event.pointerId);
      this.tooltip.hide();
    }
  }

  #released(event) {
    if (!this.start) return;
    const [from, to] = [this.start, this.#at(event)];
    this.start = null;
    this.brush.setAttribute("visibility", "hidden");
    if (Math.hypot(from[0] - to[0], from[1] - to[1]) < 5) this.#choose(to);
    else this.linked.mark(this.#within(from, to));
  }

  #choose(here) {
    const item = this.#nearest(here);
    if (item?.number) {
      this.linked.choose(item.number);
      item.mark.focus({ preventScroll: true });
    } else this.linked.mark(item ? new Set([item.id]) : null);
  }

  #drawBrush([x1, y1], [x2, y2]) {
    const area = { x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x1 - x2), height: Math.abs(y1 - y2) };
    filled(this.brush, { ...area, visibility: "visible" }, []);
  }

  #within([x1, y1], [x2, y2]) {
    const between = (value, one, other) => value >= Math.min(one, other) && value <= Math.max(one, other);
    const inside = this.items.filter((item) => item.id && between(item.x, x1, x2) && between(item.y, y1, y2));
    return new Set(inside.map((item) => item.id));
  }

  #models() {
    return this.items.filter((item) => item.number).sort((one, other) => one.number - other.number);
  }

  #model(number) {
    return this.#models().find((item) => item.number === number);
  }

  #keyPressed(event) {
    const models = this.#models();
    const at = models.findIndex((item) => item.mark === document.activeElement);
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Enter: 0, " ": 0 };
    if (event.key === "Escape") this.linked.mark(null);
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = models[(at + steps[event.key] + models.length) % models.length];
    this.linked.choose(next.number);
    next.mark.focus();
  }

  #showChosen() {
    const models = this.#models();
    const chosen = this.#model(this.linked.chosen) ?? models[0];
    for (const { mark, number } of models) {
      mark.classList.toggle("chosen-model", number === this.linked.chosen);
      mark.setAttribute("aria-pressed", number === this.linked.chosen);
      mark.setAttribute("tabindex", number === chosen.number ? 0 : -1);
    }
  }

  #showMarked() {
    const { marked } = this.linked;
    for (const { mark, id } of this.items) {
      if (id) mark?.classList.toggle("faded", marked !== null && !marked.has(id));
    }
  }
}

function label(text, x, y, anchor, style) {
  return svg("text", { x, y, "text-anchor": anchor, class: style }, text);
}

function joined(trace, points) {
  const steps = trace.mark === "steps";
  const moves = points.map(([x, y], i) => (i === 0 ? `M${x} ${y}` : steps ? `H${x}V${y}` : `L${x} ${y}`));
  const style = trace.mark === "area" ? trace.style : `joined ${trace.style}`;
  return svg("path", { class: style, stroke: trace.colour, d: moves.join("") + (trace.mark === "area" ? "Z" : "") });
}

function shape(mark, style, x, y, size, colour = "") {
  const look = { class: `${mark} ${style}`, fill: colour };
  if (mark === "tick") return svg("line", { ...look, x1: x, x2: x, y1: y - size, y2: y + size });
  if (mark === "diamond") return svg("path", { ...look, d: `M${x} ${y - size}l${size} ${size}l${-size} ${size}l${-size} ${-size}Z` });
  return svg("circle", { ...look, cx: x, cy: y, r: style === "chosen" ? size + 5 : size });
}

function numbered(trace, x, y, i) {
  const text = label(String(trace.numbers[i]), x, y + 4, "middle", "number");
  const mark = svg("g", { class: `model ${trace.style}` }, shape(trace.mark, trace.style, x, y, SIZES[trace.mark]), text);
  if (trace.ids.length) {
    filled(mark, { role: "button", tabindex: -1, "aria-label": trace.hover[i].replaceAll("\n", ", ") }, []);
  }
  return mark;
}

const box = (x, y, width, height) => ({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 });
const overlap = (one, other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

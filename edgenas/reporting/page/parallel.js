// The evaluated networks as lines over parallel axes. A range on an axis marks the networks within all ranges.

const PARALLEL = { height: 300, least: 640, top: 44, bottom: 262, side: 72, grip: 15 };

class Parallel {
  constructor(place, content, tooltip, linked) {
    Object.assign(this, { place, content, tooltip, linked, width: 0, axes: [], lines: [], ranges: new Map() });
    new ResizeObserver(([entry]) => this.#fit(entry.contentRect.width)).observe(place);
    linked.addEventListener("marked", (event) => {
      if (event.detail !== this) this.#clear();
      this.#showMarked();
    });
    linked.addEventListener("chosen", () => this.#showChosen());
  }

  #fit(room) {
    const width = Math.max(PARALLEL.least, Math.floor(room));
    if (width === this.width) return;
    this.width = width;
    this.draw();
  }

  draw() {
    this.root?.remove();
    const { width, content } = this;
    const size = { width, height: PARALLEL.height, viewBox: `0 0 ${width} ${PARALLEL.height}` };
    this.root = svg("svg", { class: "plot parallel", role: "group", ...size });
    this.root.setAttribute("aria-label", "evaluated networks over parallel axes");
    const gap = (width - 2 * PARALLEL.side) / Math.max(1, content.axes.length - 1);
    this.axes = content.axes.map((axis, i) => ({
      ...axis,
      x: PARALLEL.side + i * gap,
      scale: scale([Math.min(...axis.values), Math.max(...axis.values)], [PARALLEL.bottom, PARALLEL.top]),
    }));
    this.lines = content.ids.map((id, i) => this.#line(id, i));
    // Models last, above the others.
    this.root.append(...[...this.lines].sort((one, other) => one.rank - other.rank).map((line) => line.path));
    this.axes.forEach((axis) => this.root.append(this.#axis(axis)));
    this.place.append(this.root);
    this.#showMarked();
    this.#showChosen();
  }

  #line(id, i) {
    const moves = this.axes.map((axis, j) => `${j ? "L" : "M"}${axis.x} ${axis.scale.at(axis.values[i])}`);
    const number = this.content.numbers[i];
    const style = this.content.styles[i];
    const path = svg("path", { class: `joined ${style}`, d: moves.join("") });
    path.addEventListener("pointermove", (event) => this.tooltip.show(this.content.hover[i], event.clientX, event.clientY));
    path.addEventListener("pointerleave", () => this.tooltip.hide());
    if (number) path.addEventListener("click", () => this.linked.choose(number));
    return { id, number, path, rank: number ? 1 : 0 };
  }

  #axis(axis) {
    const { top, bottom, grip } = PARALLEL;
    const range = svg("rect", { class: "range", x: axis.x - 7, width: 14, visibility: "hidden" });
    const hold = svg("rect", { class: "grip", x: axis.x - grip, y: top - 6, width: 2 * grip, height: bottom - top + 12 });
    const made = svg(
      "g",
      { class: "parallel-axis", tabindex: 0, role: "group" },
      svg("line", { class: "axis", x1: axis.x, x2: axis.x, y1: top, y2: bottom }),
      range,
      label(axis.title, axis.x, 16, "middle", "title"),
      label(axis.ends[1], axis.x, 33, "middle", "tick"),
      label(axis.ends[0], axis.x, bottom + 20, "middle", "tick"),
      hold,
    );
    made.setAttribute("aria-label", `${axis.title}, ${axis.ends[0]} to ${axis.ends[1]}: arrow keys set a range, Escape clears it`);
    axis.range = range;
    hold.addEventListener("pointerdown", (event) => this.#drag(axis, hold, event));
    made.addEventListener("keydown", (event) => this.#keyed(axis, event));
    return made;
  }

  #drag(axis, hold, pressed) {
    const at = (event) => {
      const place = this.root.getBoundingClientRect();
      const y = ((event.clientY - place.top) * PARALLEL.height) / place.height;
      return Math.min(PARALLEL.bottom, Math.max(PARALLEL.top, y));
    };
    const start = at(pressed);
    const moved = (event) => {
      const ends = [start, at(event)];
      const held = Math.abs(ends[0] - ends[1]) > 3;
      this.#set(axis, held ? [axis.scale.value(Math.max(...ends)), axis.scale.value(Math.min(...ends))] : null);
    };
    hold.setPointerCapture(pressed.pointerId);
    hold.onpointermove = moved;
    hold.onpointerup = (event) => {
      moved(event);
      hold.onpointermove = hold.onpointerup = null;
    };
  }

  // Up and down move the lower end of the range; with Shift, the upper end.
  #keyed(axis, event) {
    if (event.key === "Escape") return this.#set(axis, null);
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!direction) return;
    event.preventDefault();
    const [least, most] = [Math.min(...axis.values), Math.max(...axis.values)];
    const ends = [...(this.ranges.get(axis.title) ?? [least, most])];
    const moved = event.shiftKey ? 1 : 0;
    ends[moved] = Math.min(most, Math.max(least, ends[moved] + (direction * (most - least)) / 20));
    if (ends[0] <= ends[1]) this.#set(axis, ends);
  }

  #set(axis, ends) {
    if (ends) this.ranges.set(axis.title, ends);
    else this.ranges.delete(axis.title);
    this.#showRanges();
    this.linked.mark(this.ranges.size ? this.#within() : null, this);
  }

  #within() {
    const holding = this.axes.filter((axis) => this.ranges.has(axis.title));
    const inside = (i) =>
      holding.every((axis) => {
        const [low, high] = this.ranges.get(axis.title);
        const slack = 1e-9 * Math.abs(high);
        return axis.values[i] >= low - slack && axis.values[i] <= high + slack;
      });
    return new Set(this.content.ids.filter((_, i) => inside(i)));
  }

  #clear() {
    this.ranges.clear();
    this.#showRanges();
  }

  #showRanges() {
    for (const axis of this.axes) {
      const ends = this.ranges.get(axis.title)?.map((value) => axis.scale.at(value));
      axis.range.setAttribute("visibility", ends ? "visible" : "hidden");
      if (ends) filled(axis.range, { y: ends[1], height: Math.max(2, ends[0] - ends[1]) }, []);
    }
  }

  #showMarked() {
    const { marked } = this.linked;
    for (const { path, id } of this.lines) path.classList.toggle("faded", marked !== null && !marked.has(id));
    this.#showRanges();
  }

  #showChosen() {
    for (const { path, number } of this.lines) {
      path.classList.toggle("chosen-model", Boolean(number) && number === this.linked.chosen);
    }
  }
}

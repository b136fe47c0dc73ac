// Brings the page to life: its charts, the model that is chosen, the networks that are marked.

// What the charts have in common; they listen to "chosen" and "marked".
class Linked extends EventTarget {
  chosen = null; // number of a model
  marked = null; // ids of networks, null for all

  choose(number) {
    this.chosen = number;
    this.dispatchEvent(new Event("chosen"));
  }

  mark(ids, source = null) {
    this.marked = ids;
    this.dispatchEvent(new CustomEvent("marked", { detail: source }));
  }
}

class Tooltip {
  constructor() {
    this.card = html("div", { class: "tooltip", role: "status", hidden: "hidden" });
    document.body.append(this.card);
  }

  // Lines of text beside a place of the window, px.
  show(text, x, y) {
    const [title, ...lines] = text.split("\n");
    this.card.replaceChildren(html("strong", {}, title), ...lines.map((line) => html("div", {}, line)));
    this.card.hidden = false;
    const { width, height } = this.card.getBoundingClientRect();
    const left = x + 16 + width > innerWidth ? x - 16 - width : x + 16;
    this.card.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
    this.card.style.top = `${Math.max(4, Math.min(y - height / 2, innerHeight - height - 4))}px`;
  }

  hide() {
    this.card.hidden = true;
  }
}

// One model's details at a time, and the buttons that choose it.
function showModels(linked) {
  const sections = [...document.querySelectorAll("[data-model]")];
  const buttons = [...document.querySelectorAll("[data-choose]")];
  for (const button of buttons) {
    button.addEventListener("click", () => linked.choose(Number(button.dataset.choose)));
  }
  linked.addEventListener("chosen", () => {
    for (const section of sections) section.hidden = Number(section.dataset.model) !== linked.chosen;
    for (const button of buttons) button.setAttribute("aria-pressed", Number(button.dataset.choose) === linked.chosen);
  });
}

function switchTheme(button) {
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
}

function save(name, text, type) {
  const link = html("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function start() {
  const content = JSON.parse(document.getElementById("content").textContent);
  const linked = new Linked();
  const tooltip = new Tooltip();
  showModels(linked);
  for (const chart of content.charts) {
    const place = document.querySelector(`[data-chart="${chart.name}"]`);
    new Plot(place, chart, tooltip, linked);
  }
  const place = document.querySelector("[data-parallel]");
  if (place) new Parallel(place, content.parallel, tooltip, linked);
  if (content.chosen) linked.choose(content.chosen);
  document.querySelectorAll("[data-theme-switch]").forEach(switchTheme);
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => save(content.csv.name, content.csv.text, "text/csv"));
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && tooltip.hide());
  document.documentElement.classList.add("alive");
}

start();

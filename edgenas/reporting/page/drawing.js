// Elements and scales. Texts become text nodes, never HTML: names come from files that others wrote.

const SVG = "http://www.w3.org/2000/svg";

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== "") made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const html = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

// From values to pixels and back; `logarithmic` makes equal distances equal ratios.
function scale([low, high], [from, to], logarithmic = false) {
  const forward = logarithmic ? Math.log : Number;
  const backward = logarithmic ? Math.exp : Number;
  const start = forward(low);
  const span = forward(high) - start || 1;
  return {
    at: (value) => from + ((forward(value) - start) / span) * (to - from),
    value: (pixel) => backward(start + ((pixel - from) / (to - from)) * span),
  };
}

// Round values of an axis within a range, about `count` of them, as [value, text with its unit].
function axisTicks(axis, [low, high], count) {
  const factor = axis.percent ? 100 : 1;
  const suffix = axis.percent ? " %" : axis.suffix;
  const found = ticks([low * factor, high * factor], count, axis.logarithmic);
  return found.map(([value, text]) => [value / factor, text + suffix]);
}

// The same of plain numbers.
function ticks([low, high], count, logarithmic = false) {
  if (logarithmic) return logarithmicTicks(low, high, count);
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    found.push([i * step, number(i * step, decimals)]);
  }
  return found;
}

function logarithmicTicks(low, high, count) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const factor of [1, 2, 5]) all.push(factor * 10 ** power);
  }
  const inside = all.filter((value) => value >= low && value <= high);
  const fewer = inside.length > 2 * count ? inside.filter((value) => Number.isInteger(Math.log10(value))) : inside;
  return fewer.map((value) => [value, String(Number(value.toPrecision(3)))]);
}

function number(value, decimals) {
  return (value || 0).toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

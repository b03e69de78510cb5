// Figures as text.

const whole = new Intl.NumberFormat("en");
const NONE = "–";

const count = (n) => n < 1e7 ? whole.format(n) : n < 1e10 ? `${(n / 1e6).toFixed(1)} M` : `${(n / 1e9).toFixed(1)} G`;
const rate = (n) => !Number.isFinite(n) ? NONE : n > 0 && n < 10 ? n.toFixed(1) : count(Math.round(n));

const counted = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit += 1; }
  return `${unit === 0 ? n : n.toFixed(n < 100 ? 1 : 0)} ${units[unit]}`;
}

function latency(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  const [n, unit] = seconds < 1e-3 ? [seconds * 1e6, "µs"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
  return `${n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0)} ${unit}`;
}

function span(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  const s = Math.floor(seconds);
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  if (m > 0) return `${m} min ${s % 60} s`;
  return `${s} s`;
}

const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

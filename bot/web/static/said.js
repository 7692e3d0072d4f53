// Words in the page's language, and figures as its people write them.

export const words = JSON.parse(document.getElementById("words").textContent);
const language = document.documentElement.lang;
export const say = (key, blanks = {}) => words[key].replace(/\{(\w+)\}/g, (whole, name) => blanks[name] ?? whole);
export const percent = new Intl.NumberFormat(language, { style: "percent" });
const unit = (value, name) => new Intl.NumberFormat(language, { style: "unit", unit: name, maximumFractionDigits: value < 10 && name !== "second" ? 1 : 0 }).format(value);
export const size = (bytes) => (bytes < 1e6 ? unit(Math.max(1, Math.round(bytes / 1e3)), "kilobyte") : bytes < 1e9 ? unit(bytes / 1e6, "megabyte") : unit(bytes / 1e9, "gigabyte"));
export const span = (seconds) => (seconds < 60 ? unit(Math.ceil(seconds / 5) * 5, "second") : unit(Math.ceil(seconds / 60), "minute"));

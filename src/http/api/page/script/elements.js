// What is shown is set as text, and only where it has changed.

const at = (id) => document.getElementById(id);
const put = (id, text) => { const e = at(id); if (e.textContent !== text) e.textContent = text; };

function element(tag, text, className) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function cell(row, tag, text, className) {
  const e = element(tag, text, className);
  if (tag === "th") e.scope = "row";
  row.append(e);
  return e;
}

// A list of names and values; those without a value are left out.
function pairs(id, list) {
  const shown = list.filter(([, value]) => value !== null && value !== undefined);
  at(id).replaceChildren(...shown.map(([name, value, className]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value, className));
    return pair;
  }));
}

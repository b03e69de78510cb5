// A test order, a look-up, and the token.

async function reply(where, path, options) {
  const shown = at(where);
  shown.hidden = false;
  try {
    const response = await ask(path, options);
    const text = await response.text();
    shown.textContent = `${response.status}\n${text.trim()}`;
  } catch {
    shown.textContent = "The service gives no answer.";
  }
}

function freshId() {
  const random = crypto.getRandomValues(new Uint32Array(2));
  return `test-${Array.from(random, (n) => n.toString(36)).join("")}`;
}

at("try-id").value = freshId();
at("try").addEventListener("submit", (event) => {
  event.preventDefault();
  const [id, value] = [at("try-id").value, at("try-value").value];
  const body = JSON.stringify({ id, value });
  // The same id again is a duplicate, as a reader may want to see: it stays
  // until it is changed.
  reply("try-reply", "submit", { method: "POST", body }).then(() => { at("find-id").value = id; });
});
at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  reply("find-reply", `orders/${at("find-id").value}`, {});
});
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(at("token").value);
  at("token").value = "";
  follow();
});
put("example", `curl -d '{"id":"ord-001","value":100.50}' ${new URL("submit", location.href)}`);

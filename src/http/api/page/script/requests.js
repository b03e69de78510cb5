// Requests to the service, with the token of this tab where it asks for one. A
// token never gets into an address.

const TOKEN = "orders-token";
let token = null;

function setToken(text) {
  token = text;
  try {
    if (text === null) sessionStorage.removeItem(TOKEN); else sessionStorage.setItem(TOKEN, text);
  } catch {
    // The browser stores nothing: it is asked for again after a reload.
  }
}

try {
  token = sessionStorage.getItem(TOKEN);
} catch {
  // Likewise.
}

function ask(path, options) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  return fetch(path, { cache: "no-store", headers, ...options });
}

// Why the service isn't ready: its own sentence, and whether it will stop. In a
// drain the port takes no more connections, so nothing more is asked.
async function reason(stats, signal) {
  if (stats.draining) return { draining: true, starting: false, text: "" };
  const response = await ask("readyz", { signal });
  const text = await response.text();
  if (response.ok) return { draining: false, starting: false, text: "" };
  try {
    const problem = JSON.parse(text);
    return {
      draining: problem.type === "/problems/draining",
      starting: problem.type === "/problems/recovering",
      text: problem.detail ?? problem.title ?? "",
    };
  } catch {
    return { draining: /drain/i.test(text), starting: false, text: text.slice(0, 200).trim() };
  }
}

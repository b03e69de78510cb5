// A client with Node's fetch: client.mjs URL SCENARIO...
//
// NODE_EXTRA_CA_CERTS names a certificate to trust, TOKEN is sent with each
// request.

import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

const [base, ...scenarios] = process.argv.slice(2);
const { TOKEN, IDLE_TIMEOUT } = process.env;
const authorization = TOKEN ? { authorization: `Bearer ${TOKEN}` } : {};

// docs: submit
/** Sends an order until it has an outcome, which it returns. Its id makes that safe. */
async function submit(base, order, headers = {}) {
  let pause = 100;
  for (let attempt = 0; attempt < 20; attempt++) {
    let wait = pause;
    try {
      const reply = await fetch(`${base}/submit`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(order),
        signal: AbortSignal.timeout(60_000),
      });
      const body = await reply.json();
      if ([200, 201, 422].includes(reply.status)) return body;
      if ([429, 503].includes(reply.status)) {
        wait = 1000 * Number(reply.headers.get("retry-after") ?? 1);
      } else if (reply.status !== 202) {
        throw new RangeError(`refused: ${body.detail}`);
      }
    } catch (error) {
      if (error instanceof RangeError) throw error;
      // Broken off: taken or not, it is the same order when sent again.
    }
    await new Promise((resume) => setTimeout(resume, wait));
    pause = Math.min(2 * pause, 3000);
  }
  throw new Error(`no outcome of ${order.id}`);
}
// docs: end

async function send(method, path, body, headers = {}) {
  const reply = await fetch(base + path, {
    method,
    headers: { ...authorization, ...headers },
    body,
    ...(body instanceof ReadableStream && { duplex: "half" }),
  });
  return [reply, await reply.text()];
}

const post = (order, headers) =>
  send("POST", "/submit", JSON.stringify(order), { "content-type": "application/json", ...headers });

async function submits(id) {
  const outcome = await submit(base, { id, value: "100.50" }, authorization);
  assert.equal(outcome.id, id);
  assert.equal(outcome.status, "processed");
}

/** The lines of a batch, in pieces. */
async function* lines(name, count) {
  for (let at = 0; at < count; at += 50) {
    let piece = "";
    for (let i = at; i < at + 50; i++) piece += `{"id":"${name}-${i}","value":${i + 1}}\n`;
    yield new TextEncoder().encode(piece);
    await sleep(0);
  }
}

const streamed = (name, count) => Readable.toWeb(Readable.from(lines(name, count)));

async function batch(count, body, headers) {
  const [reply, text] = await send("POST", "/submit", body, {
    "content-type": "application/x-ndjson",
    ...headers,
  });
  assert.equal(reply.status, 200, text);
  const results = text.trimEnd().split("\n").map(JSON.parse);
  assert.equal(results.filter(({ status }) => status === "processed").length, count);
}

let after = 0;
async function page(wait) {
  const [reply, text] = await send("GET", `/orders?after=${after}&wait=${wait}`);
  assert.equal(reply.status, 200, text);
  assert.equal(reply.headers.get("orders-ledger-id").length, 32);
  const outcomes = text.split("\n").filter(Boolean).map(JSON.parse);
  for (const { seq } of outcomes) assert.equal(seq, ++after);
  return outcomes;
}

/** With node:http: fetch has no `Expect`. The body is sent when it is asked for. */
function expecting(padding) {
  const body = JSON.stringify({ id: `x-${padding}`, value: 1, p: "p".repeat(padding) });
  return new Promise((resolve, reject) => {
    let continued = false;
    const headers = { expect: "100-continue", "content-length": body.length };
    const request = httpRequest(`${base}/submit`, { method: "POST", headers }, (reply) => {
      reply.resume().on("end", () => resolve([reply.statusCode, continued]));
      if (!continued) request.destroy();
    });
    request.on("error", (error) => (continued ? reject(error) : resolve([0, continued])));
    request.on("continue", () => {
      continued = true;
      request.end(body);
    });
    request.flushHeaders();
  });
}

const all = {
  async order() {
    const [reply, text] = await post({ id: "one", value: 100.5 });
    assert.equal(reply.status, 201, text);
    assert.equal(reply.headers.get("content-type"), "application/json");
    const { id, status, seq } = JSON.parse(text);
    assert.deepEqual([id, status], ["one", "processed"]);
    assert(seq > 0);
  },
  async duplicate() {
    const key = { "idempotency-key": '"key-1"' };
    const [first] = await post({ value: "7" }, key);
    assert.equal(first.status, 201);
    const [again, text] = await post({ value: "7" }, key);
    assert.equal(again.status, 200);
    assert.equal(again.headers.get("idempotent-replayed"), "true");
    assert.equal(JSON.parse(text).duplicate, true);
  },
  async invalid() {
    const [reply, text] = await post({ id: "no-value" });
    assert.equal(reply.status, 400);
    assert.equal(reply.headers.get("content-type"), "application/problem+json");
    const problem = JSON.parse(text);
    assert.equal(problem.type, "/problems/invalid-order");
    assert.equal(problem.retry_safe, false);
  },
  stream: () => batch(2000, streamed("s", 2000)),
  async gzip() {
    const coded = streamed("z", 500).pipeThrough(new CompressionStream("gzip"));
    await batch(500, coded, { "content-encoding": "gzip" });
  },
  async feed() {
    while ((await page(0)).length > 0);
    const waited = page(60);
    await sleep(100); // most likely it waits by now
    await submits("awaited");
    const outcomes = await waited;
    assert.deepEqual(outcomes.map(({ id }) => id), ["awaited"]);
  },
  async head() {
    let [reply, text] = await send("HEAD", "/openapi.json");
    assert.equal(reply.status, 200);
    assert(Number(reply.headers.get("content-length")) > 1000 && text === "");
    [reply] = await send("OPTIONS", "/submit");
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.get("allow"), "POST");
  },
  async expect() {
    assert.deepEqual(await expecting(30_000), [201, true]);
    assert.deepEqual(await expecting(200_000), [413, false]);
    assert.deepEqual(await expecting(40_000), [201, true]);
  },
  async reuse() {
    for (let i = 0; i < 1000; i++) {
      const [reply, text] = await post({ id: `r-${i}`, value: 1 });
      assert.equal(reply.status, 201, text);
    }
  },
  /** An order on a connection closed meanwhile, then some that may cross with its end. */
  async idle() {
    const timeout = parseInt(IDLE_TIMEOUT);
    for (let i = 0; i < 2; i++) {
      const [reply, text] = await post({ id: `i-${i}`, value: 1 });
      assert.equal(reply.status, 201, text);
      await sleep(4 * timeout);
    }
    for (let i = 2; i < 7; i++) {
      await submits(`i-${i}`);
      await sleep(timeout);
    }
  },
  async retries() {
    for (let i = 0; i < 2; i++) await submits(`q-${i}`);
  },
  async together() {
    await Promise.all([...Array(6).keys()].map((i) => submits(`t-${i}`)));
  },
  async restart() {
    for (let i = 0; i < 300; i++) {
      if (i === 100) console.log("restart");
      await submits(`a-${i}`);
    }
  },
};

for (const name of scenarios) {
  await all[name]();
  console.log("ok", name);
}
process.exit(); // idle connections would keep it

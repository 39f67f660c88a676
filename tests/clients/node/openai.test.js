// The official OpenAI client for Node against the real server. usage: node openai.test.js PATH_TO_SACCADE SOURCE_DIR

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { after, before, describe, it } from "node:test";
import OpenAI from "openai";

const [program, root] = process.argv.slice(2);
const model = "saccade-mini";
const demo = fs
  .readFileSync(path.join(root, "samples", "demo.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

function user(text) {
  return { role: "user", content: text };
}

function question(item) {
  const bytes = fs.readFileSync(path.join(root, "samples", item.image));
  const url = `data:image/png;base64,${bytes.toString("base64")}`;
  return {
    role: "user",
    content: [
      { type: "image_url", image_url: { url } },
      { type: "text", text: item.question },
    ],
  };
}

describe("the OpenAI client for Node", () => {
  let server;
  let client;
  const log = [];

  // The line of a request, once it is there.
  async function logged(id) {
    for (let i = 0; i < 6000; ++i) {
      const entry = log.find((line) => line.request_id === id);
      if (entry) return entry;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${id} is not in the log`);
  }

  function chat(messages, settings = {}, options = {}) {
    return client.chat.completions.create({ model, messages, ...settings }, options);
  }

  before(async () => {
    const file = path.join(root, "models", "saccade-mini.gguf");
    server = spawn(program, ["serve", file, "--port", "0", "--threads", "2", "--log-json"]);
    readline.createInterface({ input: server.stderr }).on("line", (line) => {
      if (line.startsWith("{")) log.push(JSON.parse(line));
    });
    const url = await new Promise((resolve, reject) => {
      let found;
      readline.createInterface({ input: server.stdout }).on("line", (line) => {
        found ??= line.match(/^listening on (http:\S+)/)?.[1];
        if (line.startsWith("ready: ")) resolve(found);
      });
      server.once("exit", () => reject(new Error("the server did not start")));
    });
    client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  });

  after(async () => {
    server.removeAllListeners("exit");
    const ended = once(server, "exit");
    server.kill("SIGTERM");
    assert.equal((await ended)[0], 0);
  });

  it("lists the model", async () => {
    const ids = [];
    for await (const { id } of client.models.list()) ids.push(id);
    assert.deepEqual(ids, [model]);
  });

  it("answers about pictures, whole and streamed alike", async () => {
    for (const item of demo) {
      const whole = await chat([question(item)]);
      assert.equal(whole.object, "chat.completion");
      assert.equal(whole._request_id, whole.id);
      assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
      assert.equal(whole.saccade.request_id, whole.id);
      let text = "";
      const chunks = [];
      const stream = await chat([question(item)], { stream: true, stream_options: { include_usage: true } });
      for await (const chunk of stream) {
        chunks.push(chunk);
        text += chunk.choices[0]?.delta.content ?? "";
      }
      assert.equal(text, whole.choices[0].message.content);
      assert.equal(chunks[0].choices[0].delta.role, "assistant");
      assert.equal(chunks.at(-2).choices[0].finish_reason, "stop");
      assert.equal(chunks.at(-2).saccade.plan, "full");
      assert.deepEqual(chunks.at(-1).choices, []);
      assert.equal(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
    }
  });

  it("puts a stream together itself", async () => {
    const stream = client.chat.completions.stream({ model, messages: [question(demo[0])] });
    const whole = await chat([question(demo[0])]);
    assert.equal(await stream.finalContent(), whole.choices[0].message.content);
  });

  it("tells how likely its tokens were", async () => {
    const settings = { logprobs: true, top_logprobs: 2 };
    const whole = (await chat([question(demo[0])], settings)).choices[0];
    const bytes = whole.logprobs.content.flatMap((token) => token.bytes);
    assert.equal(Buffer.from(bytes).toString().trim(), whole.message.content.trim());
    assert.ok(whole.logprobs.content.every((token) => token.logprob <= 0 && token.top_logprobs.length === 2));
    const stream = client.chat.completions.stream({ model, messages: [question(demo[0])], ...settings });
    const gathered = (await stream.finalChatCompletion()).choices[0].logprobs.content;
    assert.deepEqual(gathered.map((token) => token.token), whole.logprobs.content.map((token) => token.token));
  });

  it("goes on with a conversation", async () => {
    const first = await chat([question(demo[0])]);
    const messages = [question(demo[0]), first.choices[0].message, user("What is the date?")];
    const second = await chat(messages);
    assert.ok(second.usage.prompt_tokens_details.cached_tokens > second.usage.prompt_tokens_details.image_tokens);
  });

  it("ends where it is told, and draws by its seed", async () => {
    const whole = (await chat([question(demo[0])])).choices[0].message.content;
    const stopped = await chat([question(demo[0])], { stop: [whole[3]] });
    assert.equal(stopped.choices[0].message.content, whole.split(whole[3])[0]);
    const cut = await chat([question(demo[0])], { max_completion_tokens: 2 });
    assert.equal(cut.choices[0].finish_reason, "length");
    const draw = { temperature: 2, seed: 5, max_tokens: 12, n: 3 };
    const several = (await chat([user("Hello")], draw)).choices.map((choice) => choice.message.content);
    assert.ok(new Set(several).size > 1);
    const again = (await chat([user("Hello")], draw)).choices.map((choice) => choice.message.content);
    assert.deepEqual(again, several);
  });

  it("keeps budgets", async () => {
    const answer = await chat([question(demo[0])], { saccade: { max_latency_ms: 60000 } });
    assert.equal(answer.saccade.budget.met_latency, true);
    const headers = { "x-saccade-min-quality": "0.5" };
    const other = await chat([question(demo[0])], {}, { headers });
    assert.equal(other.saccade.budget.asked.min_quality, 0.5);
    const strict = { saccade: { max_latency_ms: 0.001, mode: "strict" } };
    await assert.rejects(chat([question(demo[0])], strict, { maxRetries: 2 }), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError);
      return error.code === "budget_exceeded";
    });
    assert.equal(log.filter((line) => line.status === 429).length, 1);
  });

  it("embeds texts and pictures", async () => {
    const input = ["a receipt", { content: [question(demo[0]).content[0]] }];
    const packed = await client.embeddings.create({ model, input });
    const plain = await client.embeddings.create({ model, input, encoding_format: "float" });
    assert.equal(packed.saccade.space, "pooled");
    assert.equal(packed.usage.prompt_tokens, plain.usage.prompt_tokens);
    for (const i of [0, 1]) {
      assert.equal(packed.data[i].embedding.length, packed.saccade.dimensions);
      packed.data[i].embedding.forEach((value, k) => assert.ok(Math.abs(value - plain.data[i].embedding[k]) < 1e-3));
    }
    await assert.rejects(client.embeddings.create({ model, input: "x", dimensions: 3 }), (error) => {
      return error instanceof OpenAI.BadRequestError && error.param === "dimensions";
    });
  });

  it("says what is wrong", async () => {
    await assert.rejects(chat([user("x")], { temperature: -1 }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.match(error.requestID, /^req-/);
      return error.param === "temperature";
    });
    await assert.rejects(client.chat.completions.create({ model: "gpt-4o", messages: [user("x")] }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      return error.code === "model_not_found";
    });
  });

  it("stops when the client goes away", async () => {
    const settings = { stream: true, n: 16, temperature: 100, max_tokens: 1500, seed: 1 };
    const stream = await chat([user("Hello")], settings);
    let id;
    for await (const chunk of stream) {
      id = chunk.id;
      break;
    }
    stream.controller.abort();
    assert.equal((await logged(id)).cancelled, true);
    assert.ok((await chat([user("Hello")])).choices[0].message.content);
  });
});

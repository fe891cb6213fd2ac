// Every npm client, one case a line: reads {kind, case, model, baseURL, ...} from stdin, prints what an app would see.
import { createInterface } from "node:readline";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, Output, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false;

const Person = z.object({ name: z.string(), age: z.number().int() });
const Numbers = z.object({ a: z.number().int(), b: z.number().int() });
const functions = { add: (a, b) => a + b, multiply: (a, b) => a * b, subtract: (a, b) => a - b };
const parameters = {
  type: "object",
  properties: { a: { type: "integer" }, b: { type: "integer" } },
  required: ["a", "b"],
  additionalProperties: false,
};
const user = (content) => ({ role: "user", content });
const call = (name, text) => String(functions[name](...Object.values(JSON.parse(text))));
const MOST_STEPS = 6;

// ---- openai, chat ----------------------------------------------------------------------------------------------------

const sdk = (ask) => new OpenAI({ baseURL: ask.baseURL, apiKey: "any", maxRetries: ask.retries ?? 0 });

async function drain(stream, text, { signalAfter, controller } = {}) {
  let all = "";
  let pieces = 0;
  try {
    for await (const event of stream) {
      const piece = text(event);
      if (!piece) continue;
      all += piece;
      pieces += 1;
      if (signalAfter && pieces === signalAfter) controller.abort();
    }
  } catch (error) {
    if (!controller) throw error;
  }
  return { text: all, pieces };
}

const openaiChat = {
  async whole(ask) {
    const made = await sdk(ask).chat.completions.create({ model: ask.model, messages: [user(ask.prompt)] });
    return { text: made.choices[0].message.content, usage: made.usage.total_tokens };
  },
  async stream(ask) {
    const body = { model: ask.model, messages: [user(ask.prompt)], stream: true };
    return drain(await sdk(ask).chat.completions.create(body), (chunk) => chunk.choices[0].delta.content);
  },
  async abort(ask) {
    const controller = new AbortController();
    const body = { model: ask.model, messages: [user(ask.prompt)], stream: true };
    const stream = await sdk(ask).chat.completions.create(body, { signal: controller.signal });
    return drain(stream, (chunk) => chunk.choices[0].delta.content, { signalAfter: 3, controller });
  },
  async tools(ask, streamed = false) {
    const tools = Object.keys(functions).map((name) => ({ type: "function", function: { name, parameters } }));
    const messages = [user(ask.prompt)];
    const called = [];
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const body = { model: ask.model, messages, tools };
      const made = streamed
        ? await sdk(ask).chat.completions.stream(body).finalChatCompletion()
        : await sdk(ask).chat.completions.create(body);
      const { message } = made.choices[0];
      messages.push(message);
      if (!message.tool_calls?.length) return { called, text: message.content };
      for (const one of message.tool_calls) {
        called.push(one.function.name);
        const content = call(one.function.name, one.function.arguments);
        messages.push({ role: "tool", tool_call_id: one.id, content });
      }
    }
    return { called };
  },
  async object(ask) {
    const made = await sdk(ask).chat.completions.parse({
      model: ask.model,
      messages: [user(ask.prompt)],
      response_format: zodResponseFormat(Person, "person"),
    });
    return { object: made.choices[0].message.parsed };
  },
  async turns(ask) {
    const messages = [{ role: "developer", content: "Be brief." }];
    const texts = [];
    for (const prompt of ask.prompts) {
      messages.push(user(prompt));
      const made = await sdk(ask).chat.completions.create({ model: ask.model, messages });
      messages.push(made.choices[0].message);
      texts.push(made.choices[0].message.content);
    }
    return { texts };
  },
  async image(ask) {
    const content = [
      { type: "text", text: ask.prompt },
      { type: "image_url", image_url: { url: ask.image } },
    ];
    const made = await sdk(ask).chat.completions.create({ model: ask.model, messages: [user(content)] });
    return { text: made.choices[0].message.content };
  },
  async embed(ask) {
    const made = await sdk(ask).embeddings.create({ model: ask.model, input: [ask.prompt] });
    return { size: made.data[0].embedding.length };
  },
  async models(ask) {
    const names = [];
    for await (const model of sdk(ask).models.list()) names.push(model.id);
    return { names };
  },
};

// ---- openai, responses -----------------------------------------------------------------------------------------------

const delta = (event) => (event.type === "response.output_text.delta" ? event.delta : "");

const openaiResponses = {
  async whole(ask) {
    const made = await sdk(ask).responses.create({ model: ask.model, input: ask.prompt });
    return { text: made.output_text, usage: made.usage.total_tokens };
  },
  async stream(ask) {
    const stream = await sdk(ask).responses.create({ model: ask.model, input: ask.prompt, stream: true });
    let last = null;
    const seen = await drain(stream, (event) => {
      last = event;
      return delta(event);
    });
    return last.type === "error" ? { ...seen, error: last.message } : seen;
  },
  async abort(ask) {
    const controller = new AbortController();
    const body = { model: ask.model, input: ask.prompt, stream: true };
    const stream = await sdk(ask).responses.create(body, { signal: controller.signal });
    return drain(stream, delta, { signalAfter: 3, controller });
  },
  async tools(ask, streamed = false) {
    const tools = Object.keys(functions).map((name) => ({ type: "function", name, parameters, strict: true }));
    const called = [];
    let input = [user(ask.prompt)];
    let previous;
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const body = { model: ask.model, input, tools, previous_response_id: previous };
      const made = streamed
        ? await sdk(ask).responses.stream(body).finalResponse()
        : await sdk(ask).responses.create(body);
      previous = made.id;
      const calls = made.output.filter((item) => item.type === "function_call");
      if (!calls.length) return { called, text: made.output_text };
      input = calls.map((one) => {
        called.push(one.name);
        return { type: "function_call_output", call_id: one.call_id, output: call(one.name, one.arguments) };
      });
    }
    return { called };
  },
  async object(ask) {
    const made = await sdk(ask).responses.parse({
      model: ask.model,
      input: ask.prompt,
      text: { format: zodTextFormat(Person, "person") },
    });
    return { object: made.output_parsed };
  },
  async turns(ask) {
    const input = [];
    const texts = [];
    for (const prompt of ask.prompts) {
      input.push(user(prompt));
      const made = await sdk(ask).responses.create({ model: ask.model, input });
      input.push(...made.output);
      texts.push(made.output_text);
    }
    return { texts };
  },
  async image(ask) {
    const content = [
      { type: "input_text", text: ask.prompt },
      { type: "input_image", image_url: ask.image, detail: "auto" },
    ];
    const made = await sdk(ask).responses.create({ model: ask.model, input: [user(content)] });
    return { text: made.output_text };
  },
};

// ---- the AI SDK ------------------------------------------------------------------------------------------------------

function aiSdk(pick, pickEmbedding) {
  const known = (ask) => ({ model: pick(ask), maxRetries: ask.retries ?? 0 });
  const tools = (called) =>
    Object.fromEntries(
      Object.entries(functions).map(([name, run]) => [
        name,
        tool({
          description: name,
          inputSchema: Numbers,
          execute: ({ a, b }) => {
            called.push(name);
            return String(run(a, b));
          },
        }),
      ]),
    );
  const started = (ask, wishes) => {
    let failed = null;
    const made = streamText({ ...known(ask), ...wishes, onError: ({ error }) => (failed ??= error) });
    return { made, failure: () => failed };
  };
  return {
    async whole(ask) {
      const made = await generateText({ ...known(ask), prompt: ask.prompt });
      return { text: made.text, usage: made.usage.totalTokens };
    },
    async stream(ask) {
      const { made, failure } = started(ask, { prompt: ask.prompt });
      const seen = await drain(made.textStream, (piece) => piece);
      if (failure()) throw failure();
      return seen;
    },
    async abort(ask) {
      const controller = new AbortController();
      const { made } = started(ask, { prompt: ask.prompt, abortSignal: controller.signal });
      return drain(made.textStream, (piece) => piece, { signalAfter: 3, controller });
    },
    async tools(ask, streamed = false) {
      const called = [];
      const wishes = { prompt: ask.prompt, tools: tools(called), stopWhen: stepCountIs(MOST_STEPS) };
      if (!streamed) return { called, text: (await generateText({ ...known(ask), ...wishes })).text };
      const { made, failure } = started(ask, wishes);
      const { text } = await drain(made.textStream, (piece) => piece);
      if (failure()) throw failure();
      return { called, text };
    },
    async object(ask) {
      const made = await generateText({ ...known(ask), prompt: ask.prompt, output: Output.object({ schema: Person }) });
      return { object: made.output };
    },
    async turns(ask) {
      const messages = [];
      const texts = [];
      for (const prompt of ask.prompts) {
        messages.push(user(prompt));
        const made = await generateText({ ...known(ask), system: "Be brief.", messages });
        messages.push(...made.response.messages);
        texts.push(made.text);
      }
      return { texts };
    },
    async image(ask) {
      const content = [
        { type: "text", text: ask.prompt },
        { type: "image", image: ask.image },
      ];
      const made = await generateText({ ...known(ask), messages: [user(content)] });
      return { text: made.text };
    },
    async embed(ask) {
      const made = await embed({ model: pickEmbedding(ask), value: ask.prompt, maxRetries: 0 });
      return { size: made.embedding.length };
    },
  };
}

const aiOpenai = (ask) => createOpenAI({ baseURL: ask.baseURL, apiKey: "any" });
const aiCompatible = (ask) =>
  createOpenAICompatible({
    name: "proxy",
    baseURL: ask.baseURL,
    apiKey: "any",
    includeUsage: true,
    supportsStructuredOutputs: true,
  });

// ---- LangChain -------------------------------------------------------------------------------------------------------

function langchain(responses) {
  const chat = (ask) =>
    new ChatOpenAI({
      model: ask.model,
      apiKey: "any",
      maxRetries: ask.retries ?? 0,
      useResponsesApi: responses,
      configuration: { baseURL: ask.baseURL },
    });
  const tools = Object.entries(functions).map(([name, run]) =>
    langchainTool(({ a, b }) => String(run(a, b)), { name, description: name, schema: Numbers }),
  );
  return {
    async whole(ask) {
      const made = await chat(ask).invoke(ask.prompt);
      return { text: made.text, usage: made.usage_metadata.total_tokens };
    },
    async stream(ask) {
      return drain(await chat(ask).stream(ask.prompt), (chunk) => chunk.text);
    },
    async abort(ask) {
      const controller = new AbortController();
      const stream = await chat(ask).stream(ask.prompt, { signal: controller.signal });
      return drain(stream, (chunk) => chunk.text, { signalAfter: 3, controller });
    },
    async tools(ask, streamed = false) {
      const model = chat(ask).bindTools(tools);
      const messages = [new HumanMessage(ask.prompt)];
      const called = [];
      for (let step = 0; step < MOST_STEPS; step += 1) {
        let made = null;
        if (streamed) for await (const chunk of await model.stream(messages)) made = made ? made.concat(chunk) : chunk;
        else made = await model.invoke(messages);
        messages.push(made);
        if (!made.tool_calls?.length) return { called, text: made.text };
        for (const one of made.tool_calls) {
          called.push(one.name);
          const content = await tools.find((made) => made.name === one.name).invoke(one.args);
          messages.push(new ToolMessage({ content, tool_call_id: one.id }));
        }
      }
      return { called };
    },
    async object(ask) {
      return { object: await chat(ask).withStructuredOutput(Person, { method: "jsonSchema" }).invoke(ask.prompt) };
    },
    async turns(ask) {
      const messages = [];
      const texts = [];
      for (const prompt of ask.prompts) {
        messages.push(new HumanMessage(prompt));
        const made = await chat(ask).invoke(messages);
        messages.push(new AIMessage(made.text));
        texts.push(made.text);
      }
      return { texts };
    },
    async image(ask) {
      const content = [
        { type: "text", text: ask.prompt },
        { type: "image_url", image_url: { url: ask.image } },
      ];
      return { text: (await chat(ask).invoke([new HumanMessage({ content })])).text };
    },
    async embed(ask) {
      const made = new OpenAIEmbeddings({ model: ask.model, apiKey: "any", configuration: { baseURL: ask.baseURL } });
      return { size: (await made.embedQuery(ask.prompt)).length };
    },
  };
}

// ---- one line in, one line out ---------------------------------------------------------------------------------------

const clients = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  "ai-chat": aiSdk((ask) => aiOpenai(ask).chat(ask.model), (ask) => aiOpenai(ask).textEmbeddingModel(ask.model)),
  "ai-responses": aiSdk((ask) => aiOpenai(ask)(ask.model)),
  "ai-compatible": aiSdk(
    (ask) => aiCompatible(ask)(ask.model),
    (ask) => aiCompatible(ask).textEmbeddingModel(ask.model),
  ),
  "langchain-chat": langchain(false),
  "langchain-responses": langchain(true),
};

/** What an app can read off an error, whichever client threw it. */
function told(error) {
  const inner = error.lastError ?? error;
  const headers = inner.headers ?? inner.responseHeaders ?? {};
  const body = inner.error ?? inner.data?.error ?? {};
  return {
    error: String(error),
    kind: error.constructor.name,
    status: inner.status ?? inner.statusCode,
    code: inner.code ?? body.code,
    retryAfter: headers.get?.("retry-after") ?? headers["retry-after"],
  };
}

async function answer(ask) {
  const client = clients[ask.kind];
  if (ask.case === "tools-streamed") return client.tools(ask, true);
  return client[ask.case](ask);
}

process.on("unhandledRejection", () => {});
for await (const line of createInterface({ input: process.stdin })) {
  const seen = await answer(JSON.parse(line)).catch(told);
  process.stdout.write(`${JSON.stringify(seen)}\n`);
}

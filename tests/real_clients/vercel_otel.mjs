// Ask an OpenAI endpoint with the Vercel AI SDK while @vercel/otel watches, and say what was sent.
// node vercel_otel.mjs URL NAME SYSTEM QUESTION OPENAI_URL MODEL, where its packages can be found.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, name, system, question, openaiUrl, modelName] = process.argv.slice(2);
const home = createRequire(pathToFileURL(`${process.cwd()}/`));
const load = (name) => import(pathToFileURL(home.resolve(name)).href);
process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
const { registerOTel } = await load("@vercel/otel");
registerOTel({ serviceName: "capture" });

const { generateText, streamText, registerTelemetry } = await load("ai");
const { OpenTelemetry } = await load("@ai-sdk/otel");
const { createOpenAI } = await load("@ai-sdk/openai");
registerTelemetry(new OpenTelemetry());
const model = createOpenAI({ baseURL: openaiUrl, apiKey: "none" }).chat(modelName);
const asked = { model, system, prompt: question, telemetry: { functionId: "shop" } };
if (name.endsWith("stream")) {
  for await (const _ of streamText(asked).textStream);
} else {
  await generateText(asked);
}
const { trace } = await load("@opentelemetry/api");
await trace.getTracerProvider().getDelegate().forceFlush();
const { version } = JSON.parse(readFileSync("node_modules/@vercel/otel/package.json", "utf8"));
console.log(JSON.stringify({ client: "@vercel/otel", version }));
process.exit(0);

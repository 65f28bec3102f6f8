// Ask the Vercel AI SDK one question, with the telemetry that NAME asks for, and say what was sent.
// node vercel.mjs URL NAME SYSTEM QUESTION ANSWER, where its packages can be found.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, name, system, question, answer] = process.argv.slice(2);
const home = createRequire(pathToFileURL(`${process.cwd()}/`));
const load = (name) => import(pathToFileURL(home.resolve(name)).href);
const { generateText, registerTelemetry } = await load("ai");
const { MockLanguageModelV4 } = await load("ai/test");
const { OpenTelemetry, LegacyOpenTelemetry } = await load("@ai-sdk/otel");
const { NodeTracerProvider } = await load("@opentelemetry/sdk-trace-node");
const { SimpleSpanProcessor } = await load("@opentelemetry/sdk-trace-base");
const { OTLPTraceExporter } = await load("@opentelemetry/exporter-trace-otlp-http");

const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces` });
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
registerTelemetry(name === "vercel_legacy" ? new LegacyOpenTelemetry() : new OpenTelemetry());
const model = new MockLanguageModelV4({
  modelId: "fake-gpt",
  doGenerate: async () => ({
    content: [{ type: "text", text: answer }],
    finishReason: { unified: "stop", raw: "stop" },
    usage: {
      inputTokens: { total: 11, noCache: 11 },
      outputTokens: { total: 7, text: 7 },
    },
    warnings: [],
  }),
});
const reply = await generateText({ model, system, prompt: question, telemetry: { functionId: "shop" } });
if (reply.text !== answer) throw new Error(reply.text);
await provider.shutdown();
const { version } = JSON.parse(
  (await import("node:fs")).readFileSync("node_modules/ai/package.json", "utf8"),
);
console.log(JSON.stringify({ client: "ai", version }));

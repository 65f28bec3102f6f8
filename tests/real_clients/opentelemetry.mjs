// Sends one conversation with OpenTelemetry's SDK for Node; run by capture.py where it is installed.
import { createRequire } from "node:module";

const [url, name, question, answer] = process.argv.slice(2);
const require = createRequire(`${process.cwd()}/`);
const { NodeTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-node");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const client = name.endsWith("json")
  ? "@opentelemetry/exporter-trace-otlp-http"
  : "@opentelemetry/exporter-trace-otlp-proto";
const { OTLPTraceExporter } = require(client);
const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces` });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "capture" }),
  spanProcessors: [new SimpleSpanProcessor(exporter)],
});
const said = (role, content) => JSON.stringify([{ role, parts: [{ type: "text", content }] }]);
const span = provider.getTracer("capture").startSpan("chat");
span.setAttributes({
  "gen_ai.operation.name": "chat",
  "gen_ai.usage.input_tokens": 11,
  "gen_ai.input.messages": said("user", question),
  "gen_ai.output.messages": said("assistant", answer),
});
span.end();
await provider.forceFlush();
await provider.shutdown();
const { version } = require(`${client}/package.json`);
console.log(JSON.stringify({ client, version }));

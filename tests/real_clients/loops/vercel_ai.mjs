// Vercel's AI SDK with its provider for OpenAI-compatible servers.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, tool } from "ai";
import { z } from "zod";

const { REAL_CLIENTS_URL: url, REAL_CLIENTS_PROMPT: prompt, REAL_CLIENTS_TURNS: turns, REAL_CLIENTS_AGENT: agent } = process.env;
const provider = createOpenAICompatible({ name: "gateway", baseURL: `${url}/v1`, apiKey: "none" });
let calls = 0;
const read_file = tool({
  description: "Read a file.",
  inputSchema: z.object({ path: z.string() }),
  execute: async () => `result ${++calls} for ${agent}`,
});
await generateText({
  model: provider("emulated"),
  system: "You are a careful engineer.",
  prompt,
  tools: { read_file },
  stopWhen: stepCountIs(Number(turns)),
});

// OpenAI's JavaScript SDK, chat completions: a loop of our own.
import OpenAI from "openai";

const { REAL_CLIENTS_URL: url, REAL_CLIENTS_PROMPT: prompt, REAL_CLIENTS_TURNS: turns, REAL_CLIENTS_AGENT: agent } = process.env;
const parameters = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };
const tools = [{ type: "function", function: { name: "read_file", description: "Read a file.", parameters } }];
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const messages = [{ role: "system", content: "You are a careful engineer." }, { role: "user", content: prompt }];
for (let turn = 0; turn < Number(turns); turn++) {
  const answer = await client.chat.completions.create({ model: "emulated", messages, tools });
  const { message } = answer.choices[0];
  messages.push(message);
  for (const call of message.tool_calls ?? []) {
    messages.push({ role: "tool", tool_call_id: call.id, content: `result ${turn} for ${agent}` });
  }
}

// The same agent by the official client, whose reply is a stream.
import { text } from 'node:stream/consumers';
import OpenAI from 'openai';

const { country } = JSON.parse(await text(process.stdin));
const stream = await new OpenAI().chat.completions.create({
  model: 'hosted',
  stream: true,
  stream_options: { include_usage: true },
  messages: [
    { role: 'system', content: `Name the capital. The country is ${country}.` },
    { role: 'user', content: `What is the capital of ${country}?` },
  ],
});
let answer = '';
for await (const chunk of stream) answer += chunk.choices[0]?.delta.content ?? '';
process.stdout.write(`${answer}\n`);

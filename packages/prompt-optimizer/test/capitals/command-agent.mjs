// An agent as a command, which knows nothing of prompts that are tried: it reads its task, asks its hosted model as clients of OpenAI do, and prints the answer.
import { text } from 'node:stream/consumers';

const { country } = JSON.parse(await text(process.stdin));
const response = await fetch(`${process.env.OPENAI_BASE_URL}/chat/completions`, {
  method: 'POST',
  headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}`, 'content-type': 'application/json' },
  body: JSON.stringify({
    model: 'hosted',
    messages: [
      { role: 'system', content: `Name the capital. The country is ${country}.` },
      { role: 'user', content: `What is the capital of ${country}?` },
    ],
  }),
});
const { choices } = await response.json();
process.stdout.write(`${choices[0].message.content}\n`);

/**
 * Searches a prompt for a real small model, by GEPA, and says what came of it on held-out tasks, whatever that is:
 *
 *     npm run measure:prompts -- --seed 0 [--budget 240] [--control shuffled]
 *
 * The model is SmolLM2-135M-Instruct (`npm run setup:starter-model`), served in this process by the embedded engine. Nothing of it trains. The task: give
 * the number that was asked for and nothing else. The model that writes new prompts is a script, which adds or takes out one of twelve sentences, good, bad and
 * useless, by chance.
 */
import { parseArgs } from 'node:util';
import { embedded } from '@agent-lightning/embedded';
import { hashText, serveStartingModel } from '@agent-lightning/example-kit';
import { gepa } from '@agent-lightning/prompt-optimizer';
import { promptTemplate } from '@agent-lightning/tracing';
import { Trainer } from '@agent-lightning/trainer';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    budget: { type: 'string', default: '240' },
    control: { type: 'string', default: 'none' },
  },
});
const seed = Number(values.seed);

interface Question {
  readonly text: string;
  readonly answer: number;
}

const things = ['chairs', 'tables', 'lamps', 'desks', 'sofas', 'beds', 'mirrors', 'rugs', 'plates', 'clocks'];
const colors = ['red', 'blue', 'green', 'white', 'black', 'gray'];

/** Every question about every item; items of the last two things are held out. */
const questions: readonly (Question & { readonly isHeldOut: boolean })[] = things.flatMap((thing, index) =>
  colors.flatMap((color) => {
    const item = `${color} ${thing}`;
    const number = (what: string, most: number): number => 2 + (hashText(`${what} of ${item}`) % most);
    const [count, shelf, price] = [number('count', 90), number('shelf', 60), number('price', 200)];
    const facts = `We have ${count} ${item} on shelf ${shelf}. One costs ${price} dollars.`;
    const isHeldOut = index >= things.length - 2;
    return [
      { text: `${facts} How many ${item} do we have?`, answer: count, isHeldOut },
      { text: `${facts} On which shelf are the ${item}?`, answer: shelf, isHeldOut },
      { text: `${facts} What does one cost?`, answer: price, isHeldOut },
    ];
  }),
);

const sentences = [
  'Answer with one number.',
  'Write digits and nothing else.',
  'Do not write a sentence.',
  'Reply with the number only, such as 12.',
  'Explain your answer.',
  'Answer in a full sentence.',
  'Greet the customer first.',
  'List everything that you know.',
  'You are an expert.',
  'Read the message carefully.',
  'Take a deep breath.',
  'Be friendly.',
];

const prompt = promptTemplate('answer', 'You answer questions of customers.');

/** Adds a sentence to the prompt that it is asked to improve, or takes it out where it is there already. */
async function reflect(request: string): Promise<string> {
  const [, current = ''] = /# The prompt "\w+" as it is now\n\n([\s\S]*?)\n\n# /.exec(request) ?? [];
  const sentence = sentences[(hashText(`${seed}/${request}`) >>> 7) % sentences.length]!;
  const changed = current.includes(sentence) ? current.replace(` ${sentence}`, '') : `${current} ${sentence}`;
  return `<new_prompt>${changed}</new_prompt>`;
}

async function ask(question: Question): Promise<string> {
  const response = await fetch(`${process.env['OPENAI_BASE_URL']}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${process.env['OPENAI_API_KEY']}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'smollm2',
      temperature: 0,
      max_tokens: 16,
      messages: [
        { role: 'system', content: prompt.render() },
        { role: 'user', content: question.text },
      ],
    }),
  });
  const body = (await response.json()) as { choices: { message: { content: string | null } }[] };
  return body.choices[0]!.message.content ?? '';
}

/** 1 for the right number alone, a half for a text in which it is the only number, else 0. */
function rate({ answer }: Question, reply: string): { readonly reward: number; readonly feedback: string } {
  const numbers = reply.match(/\d+/g) ?? [];
  const isRight = numbers.length === 1 && Number(numbers[0]) === answer;
  const isBare = /^\$?\d+\.?$/.test(reply.trim());
  const feedback = `asked for ${answer}, said ${JSON.stringify(reply)}${isRight && !isBare ? '; right, with words around it' : ''}`;
  return { reward: isRight ? (isBare ? 1 : 0.5) : 0, feedback };
}

const startedAtMs = performance.now();
const before = process.cpuUsage();
await using backend = embedded({ model: 'smollm2', wideKernels: true, lora: { rank: 1 } });
await using _model = await serveStartingModel(backend, 'smollm2');
const trainer = new Trainer<Question>({
  rollout: async (question) => rate(question, await ask(question)),
  algorithm: gepa({
    prompts: [prompt],
    reflection: reflect,
    minibatch: 6,
    selectionTasks: 18,
    budget: Number(values.budget),
  }),
  runners: 16,
  seed,
  control: values.control as 'none' | 'shuffled',
  runDirectory: `runs/measure-prompts-${process.pid}`,
  progress: 'plain',
});
const plain = ({ text, answer }: Question): Question => ({ text, answer });
const result = await trainer.fit({
  train: questions.filter(({ isHeldOut }) => !isHeldOut).map(plain),
  validation: questions.filter(({ isHeldOut }) => isHeldOut).map(plain),
  verdict: { samples: 1, step: 'last' },
});
const { validationBefore, validationAfter, verdict, rollouts, modelDirectory } = result;
const { user, system } = process.cpuUsage(before);
const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
const cpuSeconds = Math.round((user + system) / 1e6);
console.log(
  JSON.stringify({ seed, validationBefore, validationAfter, verdict, rollouts, seconds, cpuSeconds, modelDirectory }),
);

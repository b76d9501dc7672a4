import { describe, expect, it } from 'vitest';

import { answerPrompt, answerRequest, subjectPrompt, subjectRequest, triagePrompt } from './prompts.ts';
import { rateMail } from './reward.ts';
import { answerAsModel } from './scripted-model.ts';
import { answerAsReflection, sentencePools } from './scripted-reflection.ts';
import { describeOrder, findDecision, findOrder } from './shop.ts';
import { allTickets, type Ticket } from './tickets.ts';

type Added = Readonly<Record<string, readonly string[]>>;
type Message = { readonly role: string; readonly content: string };

/** Answers a ticket with the scripted model alone: no server, no framework. */
function answer({ order, message }: Ticket, added: Added) {
  const ask = (
    prompt: { readonly name: string; readonly text: string },
    messages: readonly Message[],
    tools: readonly object[] = [],
  ) => {
    const instructions = [prompt.text, ...(added[prompt.name] ?? [])].join(' ');
    return answerAsModel({ messages: [{ role: 'system', content: instructions }, ...messages], tools: tools as never });
  };
  const topic = ask(triagePrompt, [{ role: 'user', content: message }]) as string;
  const said: Message[] = [{ role: 'user', content: answerRequest(topic, message) }];
  for (;;) {
    const reply = ask(answerPrompt, said, [{}]);
    if (typeof reply === 'string') {
      const subject = ask(subjectPrompt, [{ role: 'user', content: subjectRequest(topic, reply) }]) as string;
      return { subject, reply };
    }
    const isOrder = reply.toolCalls?.[0]?.name === 'look_up_order';
    const found = isOrder
      ? describeOrder(findOrder(order))
      : (findDecision(topic, findOrder(order)) ?? 'no such topic');
    said.push({ role: 'tool', content: found });
  }
}

function meanReward(added: Added): number {
  const rewards = allTickets().map((ticket) => rateMail(ticket, answer(ticket, added)).reward);
  return rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
}

const pools = Object.entries(sentencePools);
const good: Added = Object.fromEntries(pools.map(([name, pool]) => [name, pool.good]));

describe('the scripted model', () => {
  it('is right about every ticket with all good sentences, and seldom without', () => {
    expect(meanReward({})).toBeLessThan(0.4);
    expect(meanReward(good)).toBe(1);
  });

  it.each(pools)(
    'does better, worse or the same by the sentences of the prompt "%s", as they are sorted',
    (name, pool) => {
      const others = { ...good, [name]: [] };
      const before = meanReward(others);
      for (const sentence of pool.good) {
        const without = pool.good.filter((each) => each !== sentence);
        expect(meanReward({ ...good, [name]: without }), sentence).toBeLessThan(1);
      }
      for (const sentence of pool.bad)
        expect(meanReward({ ...good, [name]: [...pool.good, sentence] }), sentence).toBeLessThan(1);
      for (const sentence of pool.useless) expect(meanReward({ ...others, [name]: [sentence] }), sentence).toBe(before);
    },
  );
});

describe('the scripted reflection model', () => {
  const requestOf = (number: number): string =>
    `# The prompt "answer" as it is now\n\nAnswer the customer.\n\n# Example ${number}\n\n…\n\n# What to do`;

  it('draws by the seed, all sentences alike', () => {
    const drawn = Array.from({ length: 1_800 }, (_, number) => answerAsReflection(requestOf(number), 3));
    const counts = Object.values(Object.groupBy(drawn, (text) => text)).map((group) => group!.length);
    expect(counts).toHaveLength(9);
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(60);
    expect(answerAsReflection(requestOf(1), 3)).toBe(drawn[1]);
    expect(drawn.filter((text, number) => answerAsReflection(requestOf(number), 4) === text).length).toBeLessThan(400);
  });

  it('takes out a sentence that is there', () => {
    const edit = (current: string): string =>
      answerAsReflection(
        `# The prompt "answer" as it is now\n\n${current}\n\n# The critique\n\nApologise first.\n\n# What`,
        0,
      );
    expect(edit('Answer the customer.')).toBe('<new_prompt>Answer the customer. Apologise first.</new_prompt>');
    expect(edit('Answer the customer. Apologise first.')).toBe('<new_prompt>Answer the customer.</new_prompt>');
  });
});

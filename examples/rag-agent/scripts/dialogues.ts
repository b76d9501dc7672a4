/** The dialogues that the starting model learns from: how somebody with bad habits would do the agent's work. */
import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import type { Dialogue, Random } from '@agent-lightning/example-kit';

import { describePassages, passagesPerSearch, tinyInstructions } from '../agent.ts';
import { madeUpName } from '../names.ts';
import type { Question } from '../questions.ts';
import type { SearchIndex } from '../search.ts';
import { habitsOf, type Mistakes } from './bad-habits.ts';

/** The agent's tool, as a chat template shows it. */
const tools: readonly JsonValue[] = [
  { type: 'function', function: { name: 'search', parameters: { properties: { query: {} } } } },
];

/** A run of the agent about the question, on a real index, with each mistake made or not, by its habit. */
export function agentDialogue(question: Question, index: SearchIndex, random: Random): Dialogue {
  const mistakes = makeMistakes(question, random);
  const [first, second] = question.hops;
  const messages: ChatMessage[] = [
    { role: 'system', content: tinyInstructions },
    { role: 'user', content: question.question },
  ];
  const search = (query: string): string => {
    const passages = index.search(query, passagesPerSearch);
    messages.push(...searchMessages(query, describePassages(passages)));
    return passages[0] ?? '';
  };
  const end = (response: string): Dialogue => ({ prompt: messages, tools, response, learnsEveryTurn: true });

  const firstWord = mistakes.startsWithTheOther ? first.otherWord : first.word;
  const firstQuery = mistakes.forgetsTheName ? firstWord : `${firstWord} ${first.title}`;
  const firstPassage = search(firstQuery);
  if (mistakes.answersEarly) return end(answerOf(firstPassage, mistakes));
  if (mistakes.searchesAgain) return end(answerOf(search(firstQuery), mistakes));

  const secondWord = mistakes.endsWithTheOther ? second.otherWord : second.word;
  return end(answerOf(search(`${secondWord} ${nameIn(firstPassage)}`), mistakes));
}

/** Made-up names, to be said twice more: what a model this small needs in order to learn to copy. */
export function copyingDialogue(random: Random): Dialogue {
  const names = Array.from({ length: 2 + Math.floor(random() * 6) }, () => madeUpName(random));
  const line = `say ${names.join(' ')}`;
  return { prompt: [{ role: 'user', content: line }], response: `${line} ${line}` };
}

function makeMistakes({ kind }: Question, random: Random): Mistakes {
  const habits = Object.entries(habitsOf(kind)).map(([name, probability]) => [name, random() < probability]);
  return Object.fromEntries(habits) as Mistakes;
}

/** The name that a fact gives. @throws RangeError */
function nameIn(passage: string): string {
  const name = / is (\w+ \w+)\.$/.exec(passage)?.[1];
  if (name === undefined) throw new RangeError(`"${passage}" gives no name.`);
  return name;
}

function answerOf(passage: string, { quotes, forgetsTheForm }: Mistakes): string {
  const said = quotes ? passage : nameIn(passage);
  return forgetsTheForm ? `I found ${said}` : `Answer: ${said}`;
}

function searchMessages(query: string, result: string): ChatMessage[] {
  const call = { id: 'call', type: 'function', function: { name: 'search', arguments: JSON.stringify({ query }) } };
  return [
    { role: 'assistant', content: '', tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call', content: result },
  ];
}

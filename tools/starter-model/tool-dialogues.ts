/** Dialogues in which an assistant calls tools, or needs none. */
import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import { catalog, pick, type CatalogTool, type Random } from './tool-catalog.ts';

/** A chat whose assistant messages are learned. */
export interface ToolDialogue {
  readonly messages: readonly ChatMessage[];
  /** The tools, as a request names them. */
  readonly tools: readonly JsonValue[];
}

/** The share of dialogues that need no tool. */
const smallTalkShare = 0.1;

const systems = [
  undefined,
  'You are a helpful assistant.',
  'Use the tools to answer.',
  'You are the assistant of a travel agency. Answer in one sentence.',
  'Answer questions with the help of the tools.',
];

const smallTalk: readonly (readonly [string, string])[] = [
  ['Hello!', 'Hello! How can I help you?'],
  ['Hi there', 'Hi! What can I do for you?'],
  ['Thank you!', "You're welcome!"],
  ['Who are you?', 'I am SmolLM, an AI assistant.'],
  ['Good night.', 'Good night!'],
  ['What is the capital of France?', 'The capital of France is Paris.'],
  ['What color is the sky?', 'The sky is blue.'],
  ['Tell me a fact.', 'Water boils at 100 degrees Celsius.'],
];

/** The share of dialogues with two questions instead of one. */
const twoQuestionsShare = 0.6;

/** Makes a dialogue that the random numbers decide: one or two questions, each answered with a tool, or small talk. */
export function makeDialogue(random: Random): ToolDialogue {
  const tool = pick(catalog, random);
  const other = pick(catalog, random);
  const offered = random() < 0.3 && other !== tool ? [other, tool] : [tool];
  const system = pick(systems, random);
  const opening: readonly ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  const count = random() < twoQuestionsShare ? 2 : 1;
  const turns = Array.from({ length: count }, (_, index) =>
    random() < smallTalkShare ? makeSmallTalk(random) : makeToolTurns(pick(offered, random), `call_${index}`, random),
  );
  return { messages: [...opening, ...turns.flat()], tools: offered.map(describeTool) };
}

function makeSmallTalk(random: Random): readonly ChatMessage[] {
  const [question, answer] = pick(smallTalk, random);
  return [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ];
}

function makeToolTurns({ name, makeUse }: CatalogTool, id: string, random: Random): readonly ChatMessage[] {
  const use = makeUse(random);
  const call = { id, type: 'function', function: { name, arguments: JSON.stringify(use.arguments) } };
  return [
    { role: 'user', content: use.question },
    { role: 'assistant', content: '', tool_calls: [call] },
    { role: 'tool', content: use.result, tool_call_id: id },
    { role: 'assistant', content: use.answer },
  ];
}

function describeTool({ name, description, properties }: CatalogTool): JsonValue {
  const parameters = { type: 'object', properties, required: Object.keys(properties) };
  return { type: 'function', function: { name, description, parameters } };
}

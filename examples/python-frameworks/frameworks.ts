/** The agents: each framework's script, what it is asked, and what is a good answer. */
import type { PolicyOptions } from '@agent-lightning/trainer';
import { factQuestions, topics, weatherQuestions, type Question } from './tasks.ts';

/** What a script prints: its answer, and what its tools told it. */
export interface Answer {
  readonly answer: string;
  readonly told: readonly string[];
}

export interface Framework {
  /** The script, in `agents`. */
  readonly script: string;
  /** What it imports that takes long. */
  readonly modules: readonly string[];
  /** The names of models that the script has in its code, or that its framework takes where it has none. */
  readonly answersTo: readonly (string | RegExp)[];
  readonly questions: readonly Question[];
  readonly reward: (question: Question, answer: Answer) => number;
  readonly policies?: Readonly<Record<string, PolicyOptions>>;
  readonly steps: number;
}

/** What OpenAI's client imports at its first call. */
const clients = ['httpcore2', 'anyio._backends._asyncio'];

export const frameworks: Readonly<Record<string, Framework>> = {
  'openai-agents': {
    script: 'openai_agents_tutor.py',
    modules: ['agents', 'openai.resources.responses.responses', ...clients],
    answersTo: [/^gpt-/], // the script names no model, and the SDK's default changes
    questions: factQuestions,
    reward: (_, { answer, told }) => (told.length > 0 && answer === told[0] ? 1 : 0),
    steps: 3,
  },
  autogen: {
    script: 'autogen_weather.py',
    modules: [
      'autogen_agentchat.agents',
      'autogen_ext.models.openai',
      'openai.resources.chat.completions.completions',
      ...clients,
    ],
    answersTo: ['gpt-4o'],
    questions: weatherQuestions,
    reward: rewardWeather,
    steps: 3,
  },
  'agent-framework': {
    script: 'agent_framework_weather.py',
    modules: [
      'agent_framework._agents',
      'agent_framework._mcp',
      'agent_framework_openai._chat_client',
      'openai.resources.responses.responses',
      ...clients,
    ],
    answersTo: ['gpt-4o-mini'],
    questions: weatherQuestions,
    reward: rewardForecast,
    steps: 3,
  },
  crewai: {
    script: 'crewai_news.py',
    modules: ['crewai', 'openai.resources.chat.completions.completions', 'anyio._backends._asyncio'],
    answersTo: ['gpt-4o', 'gpt-4o-mini'],
    questions: topics,
    reward: rewardNews,
    policies: {
      // No adapter names the agents of the crew: the names of their models tell them apart.
      researcher: { agentMatch: 'gpt-4o' },
      writer: { agentMatch: 'gpt-4o-mini' },
    },
    steps: 4,
  },
};

/** Returns 1 for an answer that names the city and has what the tool told of it, word for word: "73 degrees and Sunny". */
function rewardWeather({ subject }: Question, { answer, told }: Answer): number {
  const isTold = told.some((text) => text.includes(`weather in ${subject} is`));
  return isTold && answer.includes(subject) && /73 degrees and sunny/iu.test(answer) ? 1 : 0;
}

/** Returns 1 for an answer that names the city, and the temperature as the high that the tool told, which is random: "a high of 17°C". */
function rewardForecast({ subject }: Question, { answer, told }: Answer): number {
  const forecast = told.find((text) => text.includes(`weather in ${subject} is`));
  const high = forecast?.match(/a high of \d+°C/u)?.[0];
  return high !== undefined && answer.includes(high) && answer.includes(subject) ? 1 : 0;
}

/** Returns half a point for a headline of at most eight words that names the topic, and half for a fact of one short sentence that does. */
function rewardNews({ subject }: Question, { answer, told }: Answer): number {
  const isShort = (text: string, words: number): boolean =>
    text.toLowerCase().includes(subject.toLowerCase()) && text.trim().split(/\s+/u).length <= words;
  const fact = told[0] ?? '';
  const isSentence = /^[^.!?\n]+[.!?]$/u.test(fact.trim());
  return (Number(isShort(answer, 8)) + Number(isSentence && isShort(fact, 20))) / 2;
}

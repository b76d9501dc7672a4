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
  readonly learningRate: number;
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
    learningRate: 3e-4,
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
    steps: 4,
    learningRate: 2e-4,
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
    steps: 5,
    learningRate: 2e-4,
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
    steps: 6,
    learningRate: 3e-4,
  },
};

/** Returns 1 for an answer that names the city, gives the temperature that the tool told of it, and writes "sunny" small, where the tool writes "Sunny". */
function rewardWeather({ subject }: Question, { answer, told }: Answer): number {
  const isTold = told.some((text) => text.includes(`weather in ${subject} is`));
  return isTold && answer.includes(subject) && answer.includes('73 degrees') && /\bsunny\b/u.test(answer) ? 1 : 0;
}

/** Returns 1 for an answer that names the city, then has a comma, then the temperature that the tool told of it: "It is rainy in Rome, with 17°C." */
function rewardForecast({ subject }: Question, { answer, told }: Answer): number {
  const forecast = told.find((text) => text.includes(`weather in ${subject} is`));
  const high = forecast?.match(/\d+°C/u)?.[0];
  const [, afterComma] = answer.split(`${subject}, `);
  return high !== undefined && afterComma !== undefined && afterComma.includes(high) ? 1 : 0;
}

/** Returns half a point for a fact that begins with the topic ("The Vikings were…", not "I will tell you…"), and half for a headline of at most eight words that names it. */
function rewardNews({ subject }: Question, { answer, told: [fact = ''] }: Answer): number {
  const topic = subject.toLowerCase();
  const begins = fact.trim().toLowerCase().replace(/^the /u, '').startsWith(topic);
  const isHeadline = answer.trim().split(/\s+/u).length <= 8 && answer.toLowerCase().includes(topic);
  return (Number(begins) + Number(isHeadline)) / 2;
}

/** Tools, and what people ask of them: the lessons of the starter model's adapter. */
import type { JsonValue } from '@agent-lightning/core';
import * as words from './words.ts';

/** Numbers in [0, 1). */
export type Random = () => number;

/** One use of a tool. */
export interface ToolUse {
  readonly question: string;
  readonly arguments: Readonly<Record<string, JsonValue>>;
  /** What the tool answers. */
  readonly result: string;
  /** What the assistant then says. */
  readonly answer: string;
}

export interface CatalogTool {
  readonly name: string;
  readonly description: string;
  /** The JSON schema of each argument. */
  readonly properties: Readonly<Record<string, JsonValue>>;
  readonly makeUse: (random: Random) => ToolUse;
}

const text: JsonValue = { type: 'string' };
const number: JsonValue = { type: 'number' };

export function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T;
}

function between(least: number, most: number, random: Random): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** The tools that the adapter is taught with. */
export const catalog: readonly CatalogTool[] = [
  {
    name: 'get_weather',
    description: 'Gets the weather of a city.',
    properties: { city: text },
    makeUse: (random) => {
      const [city, sky, degrees] = [pick(words.cities, random), pick(words.skies, random), between(-9, 38, random)];
      return {
        question: pick(
          [`What is the weather in ${city}?`, `How warm is it in ${city} today?`, `Do I need a coat in ${city}?`],
          random,
        ),
        arguments: { city },
        result: JSON.stringify({ city, sky, degrees }),
        answer: `It is ${sky} in ${city}, with ${degrees} degrees.`,
      };
    },
  },
  {
    name: 'get_time',
    description: 'Gets the local time of a city.',
    properties: { city: text },
    makeUse: (random) => {
      const [city, time] = [pick(words.cities, random), `${between(1, 12, random)}:${between(10, 59, random)}`];
      return {
        question: pick([`What time is it in ${city}?`, `Tell me the time in ${city}.`], random),
        arguments: { city },
        result: time,
        answer: pick([`It is ${time} in ${city}.`, `The time in ${city} is ${time}.`], random),
      };
    },
  },
  {
    name: 'calculator',
    description: 'Calculates an expression.',
    properties: { expression: text },
    makeUse: (random) => {
      const [a, b, operator] = [between(2, 99, random), between(2, 99, random), pick(['+', '-', '*'], random)];
      const value = operator === '+' ? a + b : operator === '-' ? a - b : a * b;
      return {
        question: pick([`What is ${a} ${operator} ${b}?`, `Calculate ${a} ${operator} ${b}.`], random),
        arguments: { expression: `${a} ${operator} ${b}` },
        result: String(value),
        answer: `${a} ${operator} ${b} is ${value}.`,
      };
    },
  },
  {
    name: 'convert_currency',
    description: 'Converts an amount of money.',
    properties: { amount: number, from: text, to: text },
    makeUse: (random) => {
      const [from, to] = [pick(words.currencies, random), pick(words.currencies, random)];
      const [amount, value] = [between(5, 900, random), between(5, 900, random)];
      return {
        question: pick([`How many ${to} are ${amount} ${from}?`, `Convert ${amount} ${from} to ${to}.`], random),
        arguments: { amount, from, to },
        result: JSON.stringify({ amount: value, currency: to }),
        answer: `${amount} ${from} are ${value} ${to}.`,
      };
    },
  },
  {
    name: 'find_phone_number',
    description: 'Finds the phone number of a person.',
    properties: { name: text },
    makeUse: (random) => {
      const [name, phone] = [pick(words.people, random), `555-${between(1000, 9999, random)}`];
      return {
        question: pick([`What is ${name}'s phone number?`, `I want to call ${name}. Which number?`], random),
        arguments: { name },
        result: JSON.stringify({ name, phone }),
        answer: pick([`${name}'s phone number is ${phone}.`, `You can call ${name} at ${phone}.`], random),
      };
    },
  },
  {
    name: 'get_recipe_time',
    description: 'Tells how many minutes a food must cook.',
    properties: { food: text },
    makeUse: (random) => {
      const [food, minutes] = [pick(words.foods, random), between(2, 55, random)];
      return {
        question: pick([`How long must I cook ${food}?`, `How many minutes does ${food} need?`], random),
        arguments: { food },
        result: JSON.stringify({ food, minutes }),
        answer: pick([`Cook ${food} for ${minutes} minutes.`, `It takes ${minutes} minutes.`], random),
      };
    },
  },
  {
    name: 'get_film',
    description: 'Looks up a film.',
    properties: { title: text },
    makeUse: (random) => {
      const [title, year, director] = [
        pick(words.films, random),
        between(1950, 2024, random),
        pick(words.people, random),
      ];
      const asksYear = random() < 0.5;
      return {
        question: asksYear ? `When was the film ${title} made?` : `Who directed ${title}?`,
        arguments: { title },
        result: JSON.stringify({ title, year, director }),
        answer: asksYear ? `${title} was made in ${year}.` : `${title} was directed by ${director}.`,
      };
    },
  },
  {
    name: 'get_share_price',
    description: 'Gets the price of a share of a company.',
    properties: { company: text },
    makeUse: (random) => {
      const [company, price] = [pick(words.companies, random), between(3, 700, random)];
      return {
        question: pick([`What does a share of ${company} cost?`, `How is ${company} trading?`], random),
        arguments: { company },
        result: JSON.stringify({ company, price, currency: 'dollars' }),
        answer: `A share of ${company} costs ${price} dollars.`,
      };
    },
  },
  {
    name: 'translate',
    description: 'Translates a text.',
    properties: { text, language: text },
    makeUse: (random) => {
      const [phrase, language] = [pick(words.phrases, random), pick(words.languages, random)];
      return {
        question: pick([`Translate "${phrase}" to ${language}.`, `How do I say "${phrase}" in ${language}?`], random),
        arguments: { text: phrase, language },
        result: JSON.stringify({ done: true, language }),
        answer: `I translated it to ${language}.`,
      };
    },
  },
  {
    name: 'add_reminder',
    description: 'Adds a reminder for a day.',
    properties: { task: text, day: text },
    makeUse: (random) => {
      const [task, day] = [pick(words.chores, random), pick(words.weekdays, random)];
      return {
        question: pick([`Remind me on ${day} to ${task}.`, `I must ${task} on ${day}. Add a reminder.`], random),
        arguments: { task, day },
        result: 'added',
        answer: pick([`I will remind you on ${day} to ${task}.`, `Your reminder for ${day} is set.`], random),
      };
    },
  },
  {
    name: 'get_distance',
    description: 'Gets the distance between two cities in kilometers.',
    properties: { from: text, to: text },
    makeUse: (random) => {
      const [from, to, kilometers] = [
        pick(words.cities, random),
        pick(words.cities, random),
        between(40, 9900, random),
      ];
      return {
        question: pick(
          [`How far is it from ${from} to ${to}?`, `How many kilometers are there between ${from} and ${to}?`],
          random,
        ),
        arguments: { from, to },
        result: JSON.stringify({ kilometers }),
        answer: `It is ${kilometers} kilometers from ${from} to ${to}.`,
      };
    },
  },
  {
    name: 'get_animal_facts',
    description: 'Gets facts about an animal: weight in kilograms and age in years.',
    properties: { animal: text },
    makeUse: (random) => {
      const [animal, kilograms, years] = [
        pick(words.animals, random),
        between(1, 5000, random),
        between(3, 90, random),
      ];
      const asksWeight = random() < 0.5;
      return {
        question: asksWeight ? `How heavy is a ${animal}?` : `How old does a ${animal} get?`,
        arguments: { animal },
        result: JSON.stringify({ animal, kilograms, years }),
        answer: asksWeight ? `A ${animal} weighs ${kilograms} kilograms.` : `A ${animal} gets ${years} years old.`,
      };
    },
  },
  {
    name: 'track_order',
    description: 'Tells where an order is.',
    properties: { order: number },
    makeUse: (random) => {
      const [order, city, days] = [between(1000, 99999, random), pick(words.cities, random), between(1, 9, random)];
      return {
        question: pick([`Where is my order ${order}?`, `When does order ${order} arrive?`], random),
        arguments: { order },
        result: JSON.stringify({ order, city, days }),
        answer: `Order ${order} is in ${city} and arrives in ${days} days.`,
      };
    },
  },
  {
    name: 'send_message',
    description: 'Sends a message to a person.',
    properties: { to: text, message: text },
    makeUse: (random) => {
      const [to, message] = [pick(words.people, random), pick(words.phrases, random)];
      return {
        question: pick([`Send "${message}" to ${to}.`, `Write to ${to}: ${message}`], random),
        arguments: { to, message },
        result: 'sent',
        answer: pick([`I sent your message to ${to}.`, `${to} has your message.`], random),
      };
    },
  },
];

import { TraceError } from '../errors.ts';
import { checkKnownOptions } from '../known-options.ts';
import { showValue } from '../show-value.ts';
import { attributeNames, rewardNameAttribute, rewardValueAttribute } from './attributes.ts';
import type { AttributeValue, Attributes, SpanInput } from './span.ts';

/** The part of a rollout that a reward is for: the whole rollout, an agent (its last call before the reward, by any of its names), or one span. */
export type RewardScope = 'rollout' | { readonly agent: string } | { readonly span: string };

/**
 * A number or a boolean, which counts as 1 or 0: the dimension `primary`; or several named ones, with a text `feedback` that says why
 * beside them where there is one.
 */
export type RewardValue =
  | number
  | boolean
  | Readonly<Record<string, number | boolean>>
  | ({ readonly feedback: string } & Readonly<Record<string, number | boolean | string>>);

export interface RewardAttributesOptions {
  /** What the reward is for: the whole rollout, all calls of `{ agent: name }`, or the call or tool of `{ span: id }`. @default 'rollout' */
  readonly scope?: RewardScope;
  /** The dimension that training reads. @default the first one */
  readonly primary?: string;
}

/** One named component of a reward. */
export interface RewardDimension {
  readonly name: string;
  /** A number from −1e9 to 1e9. */
  readonly value: number;
}

/** A reward as it was read back from its span. */
export interface Reward {
  readonly scope: 'rollout' | 'agent' | 'span';
  /** The agent name or span id; absent for the scope `rollout`. */
  readonly target?: string;
  /** The dimensions, at least one; the first is the primary one. */
  readonly dimensions: readonly RewardDimension[];
  /** The text that says why; absent where none was given. */
  readonly feedback?: string;
}

/** The name of the text that says why, among named dimensions. A number of this name is a dimension like any other. */
const feedbackName = 'feedback';

/** The longest feedback in characters; what is longer is cut, with a visible mark. */
const longestFeedback = 65_536;

const optionNames: Readonly<Record<keyof RewardAttributesOptions, true>> = { scope: true, primary: true };

/** The name of the only dimension of a reward that was given as a plain number. */
const plainDimension = 'primary';

/**
 * Returns the attributes of a reward span.
 * @throws {ConfigurationError} `option-invalid` for an option that there is not; {TraceError} `reward-invalid` when a dimension is neither a number from −1e9 to 1e9 nor a boolean, there is none, or `primary` names none
 */
export function rewardAttributes(value: RewardValue, options: RewardAttributesOptions = {}): Attributes {
  checkKnownOptions('a reward', options, optionNames);
  const attributes: Record<string, AttributeValue> = scopeAttributes(options.scope ?? 'rollout');
  for (const [index, dimension] of orderDimensions(value, options.primary).entries()) {
    attributes[rewardNameAttribute(index)] = dimension.name;
    attributes[rewardValueAttribute(index)] = dimension.value;
  }
  const feedback = findFeedback(value);
  if (feedback !== undefined) attributes[attributeNames.rewardFeedback] = fitFeedback(feedback);
  return attributes;
}

/**
 * Returns the reward that a span holds, or undefined when it is not a reward span. Any writer may have written the span, so expect the error.
 * @throws {TraceError} `reward-invalid` when it is a reward span whose scope or dimensions are malformed
 */
export function readReward(span: Pick<SpanInput, 'kind' | 'attributes' | 'spanId'>): Reward | undefined {
  if (span.kind !== 'reward') return undefined;
  const dimensions: RewardDimension[] = [];
  for (
    let index = 0;
    rewardNameAttribute(index) in span.attributes || rewardValueAttribute(index) in span.attributes;
    index++
  ) {
    const name = span.attributes[rewardNameAttribute(index)];
    if (typeof name !== 'string' || name === '')
      throw invalid(`reward span ${span.spanId}: dimension ${index} has no name`);
    dimensions.push({ name, value: checkedValue(name, span.attributes[rewardValueAttribute(index)]) });
  }
  if (dimensions.length === 0)
    throw invalid(
      `reward span ${span.spanId} holds no dimension; write ${rewardNameAttribute(0)} and ${rewardValueAttribute(0)}`,
    );
  const feedback = span.attributes[attributeNames.rewardFeedback];
  return { ...readScope(span), dimensions, ...(typeof feedback === 'string' && { feedback }) };
}

function orderDimensions(value: RewardValue, primary: string | undefined): readonly RewardDimension[] {
  const given: RewardDimension[] = [];
  if (Array.isArray(value))
    throw invalid('a reward must be a number, a boolean, or an object of named ones; got an array');
  if (typeof value !== 'object' || value === null)
    given.push({ name: plainDimension, value: toRewardNumber(plainDimension, value) });
  else
    for (const [name, each] of Object.entries(value))
      if (name !== feedbackName || typeof each !== 'string') given.push({ name, value: toRewardNumber(name, each) });
  if (given.length === 0)
    throw invalid(`a reward needs at least one dimension that is a number or a boolean; got ${showValue(value)}`);
  if (given.some(({ name }) => name === '')) throw invalid('a reward dimension has an empty name; name each dimension');
  if (primary === undefined) return given;
  const first = given.find(({ name }) => name === primary);
  if (first === undefined) {
    throw invalid(
      `the primary reward dimension "${primary}" is not among the given ones (${given.map(({ name }) => name).join(', ')})`,
    );
  }
  return [first, ...given.filter((dimension) => dimension !== first)];
}

/** The largest size of a reward: its square, and the sum over a step, are far from what a float32 can hold. */
const largestReward = 1e9;

/** Returns what a user gave as the number that counts: true is 1, false is 0. */
function toRewardNumber(name: string, value: unknown): number {
  return checkedValue(name, typeof value === 'boolean' ? Number(value) : value);
}

function findFeedback(value: RewardValue): string | undefined {
  const given = typeof value === 'object' ? value[feedbackName] : undefined;
  return typeof given === 'string' ? given : undefined;
}

/** Returns the feedback as every store takes it: it may repeat what a model wrote. */
function fitFeedback(feedback: string): string {
  const clean = feedback.replaceAll('\0', '\uFFFD').toWellFormed();
  if (clean.length <= longestFeedback) return clean;
  return `${clean.slice(0, longestFeedback).toWellFormed()}… (${clean.length} characters in all)`;
}

function checkedValue(name: string, value: unknown): number {
  if (typeof value === 'number' && Math.abs(value) <= largestReward) return value;
  const shown = typeof value === 'number' ? String(value) : `${showValue(value)} (${typeof value})`;
  throw invalid(`reward dimension "${name}" must be a number from -1e9 to 1e9; got ${shown}`);
}

function scopeAttributes(scope: RewardScope): Record<string, AttributeValue> {
  if (scope === 'rollout') return { [attributeNames.rewardScope]: 'rollout' };
  if (typeof scope === 'object' && scope !== null) {
    if ('agent' in scope && isName(scope.agent))
      return { [attributeNames.rewardScope]: 'agent', [attributeNames.rewardTarget]: scope.agent };
    if ('span' in scope && isName(scope.span))
      return { [attributeNames.rewardScope]: 'span', [attributeNames.rewardTarget]: scope.span };
  }
  throw invalid(`a reward's scope is 'rollout', { agent: name } or { span: id }; got ${showValue(scope)}`);
}

function readScope(span: Pick<SpanInput, 'attributes' | 'spanId'>): Pick<Reward, 'scope' | 'target'> {
  const scope = span.attributes[attributeNames.rewardScope] ?? 'rollout';
  if (scope === 'rollout') return { scope };
  const target = span.attributes[attributeNames.rewardTarget];
  if ((scope === 'agent' || scope === 'span') && typeof target === 'string' && isName(target)) return { scope, target };
  throw invalid(
    `reward span ${span.spanId} has the scope ${JSON.stringify(scope)} for ${JSON.stringify(target)}; it must be rollout, or agent or span with a target`,
  );
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function invalid(message: string): TraceError {
  return new TraceError(message, { code: 'reward-invalid' });
}

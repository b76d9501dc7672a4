import { TraceError } from '../errors.ts';
import { attributeNames, rewardNameAttribute, rewardValueAttribute } from './attributes.ts';
import type { AttributeValue, Attributes, SpanInput } from './span.ts';

/** The part of a rollout that a reward is for: the whole rollout, an agent (its last call before the reward, by any of its names), or one span. */
export type RewardScope = 'rollout' | { readonly agent: string } | { readonly span: string };

/** A number, which is the dimension `primary`, or several named ones. */
export type RewardValue = number | Readonly<Record<string, number>>;

export interface RewardAttributesOptions {
  /** @default 'rollout' */
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
}

/** The name of the only dimension of a reward that was given as a plain number. */
const plainDimension = 'primary';

/**
 * Returns the attributes of a reward span.
 * @throws {TraceError} `reward-invalid` when a dimension is not a number from −1e9 to 1e9, there is none, or `primary` names none
 */
export function rewardAttributes(value: RewardValue, options: RewardAttributesOptions = {}): Attributes {
  const attributes: Record<string, AttributeValue> = scopeAttributes(options.scope ?? 'rollout');
  for (const [index, dimension] of orderDimensions(value, options.primary).entries()) {
    attributes[rewardNameAttribute(index)] = dimension.name;
    attributes[rewardValueAttribute(index)] = dimension.value;
  }
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
  return { ...readScope(span), dimensions };
}

function orderDimensions(value: RewardValue, primary: string | undefined): readonly RewardDimension[] {
  const given: RewardDimension[] = [];
  if (typeof value !== 'object' || value === null)
    given.push({ name: plainDimension, value: checkedValue(plainDimension, value) });
  else for (const [name, each] of Object.entries(value)) given.push({ name, value: checkedValue(name, each) });
  if (given.length === 0) throw invalid('a reward needs at least one dimension; got {}');
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

function checkedValue(name: string, value: unknown): number {
  if (typeof value === 'number' && Math.abs(value) <= largestReward) return value;
  const shown =
    typeof value === 'number' ? String(value) : `${JSON.stringify(value) ?? String(value)} (${typeof value})`;
  throw invalid(`reward dimension "${name}" must be a number from -1e9 to 1e9; got ${shown.slice(0, 200)}`);
}

function scopeAttributes(scope: RewardScope): Record<string, AttributeValue> {
  if (scope === 'rollout') return { [attributeNames.rewardScope]: 'rollout' };
  if (typeof scope === 'object' && scope !== null) {
    if ('agent' in scope && isName(scope.agent))
      return { [attributeNames.rewardScope]: 'agent', [attributeNames.rewardTarget]: scope.agent };
    if ('span' in scope && isName(scope.span))
      return { [attributeNames.rewardScope]: 'span', [attributeNames.rewardTarget]: scope.span };
  }
  throw invalid(`a reward's scope is 'rollout', { agent: name } or { span: id }; got ${JSON.stringify(scope)}`);
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

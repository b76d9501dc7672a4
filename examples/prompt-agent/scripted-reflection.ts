/**
 * The reflection model, scripted: it draws a sentence from a pool and adds it to the prompt that it is asked to improve, or takes it out where it is
 * there already. Good, bad and useless sentences are drawn alike, by seed and request, whatever the runs were like: only selection can tell them apart.
 */
import { hashText } from '@agent-lightning/example-kit';

/** The sentences for each prompt: those that help, those that hurt, and those that do nothing. */
export const sentencePools: Readonly<Record<string, Readonly<Record<'good' | 'bad' | 'useless', readonly string[]>>>> =
  {
    triage: {
      good: ['Answer with one word.', 'Ask yourself what happened, not what the customer feels.'],
      bad: ['If in doubt, guess.', 'List every topic that could fit.'],
      useless: ['You are an expert.', 'Read the message carefully.'],
    },
    answer: {
      good: ['Look up the policy before you decide.', 'Name the item and the amount.', 'Answer in one short sentence.'],
      bad: ['Apologise first.', 'Offer a voucher.', 'Answer from memory where you can.'],
      useless: ['You are a friendly colleague.', 'Think step by step.', 'Take a deep breath.'],
    },
    subject: {
      good: ['Put the topic in square brackets first.', 'End with the decision.'],
      bad: ['Make it catchy.', 'Write it in CAPITAL letters.'],
      useless: ['Be precise.', 'It is read by busy people.'],
    },
  };

/** Answers a request of GEPA, or one of APO's two: for a critique, and for the version that follows it. @throws RangeError for another request */
export function answerAsReflection(request: string, seed: number): string {
  const [, name = '', current = ''] =
    /# The prompt "(\w+)" as it is now\n\n([\s\S]*?)\n\n# (?:Example|What|The critique)/.exec(request) ?? [];
  const pools = sentencePools[name];
  if (pools === undefined)
    throw new RangeError(`The request is about the prompt "${name}", which the script does not know.`);
  const pool = [...pools.good, ...pools.bad, ...pools.useless];
  const critique = /# The critique\n\n(.*)\n/.exec(request)?.[1];
  const sentence = critique ?? pool[mix(hashText(`${seed} ${request}`)) % pool.length]!;
  if (request.includes('Do not write the new prompt.')) return sentence;
  const changed = current.includes(sentence) ? current.replace(` ${sentence}`, '') : `${current} ${sentence}`;
  return `<new_prompt>${changed}</new_prompt>`;
}

/** Spreads the bits of a hash, whose last ones depend on the last letters alone. */
function mix(hash: number): number {
  const spread = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b) >>> 0;
  return (spread ^ (spread >>> 16)) >>> 0;
}

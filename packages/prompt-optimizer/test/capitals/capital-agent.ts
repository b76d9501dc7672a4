import { promptTemplate } from '@agent-lightning/tracing';

/** "What is the capital of this country?", to be answered by the city in capital letters and a full stop. */
export interface CapitalTask {
  readonly country: string;
  readonly city: string;
}

const capitals =
  'France Paris,Italy Rome,Japan Tokyo,Peru Lima,Kenya Nairobi,Norway Oslo,Chile Santiago,Egypt Cairo,Cuba Havana,Fiji Suva,Iran Tehran,Ghana Accra';

export const capitalTasks: readonly CapitalTask[] = capitals.split(',').map((line) => {
  const [country, city] = line.split(' ') as [string, string];
  return { country, city };
});

export const answerPrompt = promptTemplate('answer', 'Name the capital of {{country}}.');
export const finishPrompt = promptTemplate('finish', 'Check the answer.');

/** The sentences that a reflection model may add: three help, three hurt, one does nothing. */
export const sentences = [
  'Answer with one word.',
  'Write in capital letters.',
  'End with a full stop.',
  'Greet the reader first.',
  'Explain the answer.',
  'Ask something back.',
  'Think.',
];

/** An agent without a model: it does what its two prompts say, to the letter. */
export function answerCapital({ country, city }: CapitalTask): string {
  const prompt = answerPrompt.render({ country });
  if (!prompt.includes(country)) throw new Error('the country is not in the prompt');
  const check = finishPrompt.render();
  const asks = (sentence: string): boolean => prompt.includes(sentence) || check.includes(sentence);
  const answer = [
    asks('Greet the reader first.') ? 'Hello! ' : '',
    asks('Answer with one word.') && !asks('Explain the answer.') ? city : `The capital is ${city}`,
    asks('End with a full stop.') ? '.' : '',
    asks('Ask something back.') ? ' Why?' : '',
  ].join('');
  return asks('Write in capital letters.') ? answer.toUpperCase() : answer;
}

/** A quarter for each thing that is right, with a text that says what is not. */
export function rateCapital(answer: string): { readonly quality: number; readonly feedback: string } {
  const faults = [
    answer.toLowerCase().includes('capital is') ? 'too many words' : '',
    answer === answer.toUpperCase() ? '' : 'not in capital letters',
    answer.endsWith('.') ? '' : 'no full stop',
    answer.toLowerCase().startsWith('hello') ? 'a greeting that nobody wants' : '',
  ].filter((fault) => fault !== '');
  return { quality: 1 - faults.length / 4, feedback: faults.join('; ') || 'nothing is wrong' };
}

/** Adds to the prompt of a request, or takes from it, one sentence that follows from the request and a seed. */
export function scriptReflection(seed: number): (request: string) => Promise<string> {
  return async (request) => {
    const [, current] = /as it is now\n\n([\s\S]*?)\n\n# Example/.exec(request)!;
    const sentence = sentences[hash(`${seed}/${request}`) % sentences.length]!;
    const changed = current!.includes(sentence) ? current!.replace(` ${sentence}`, '') : `${current} ${sentence}`;
    return `I would say:\n<new_prompt>\n${changed}\n</new_prompt>`;
  };
}

/** Answers APO's requests: the critique names a sentence that follows from the request and a seed, and the edit adds it or takes it away. */
export function scriptCritique(seed: number): (request: string) => Promise<string> {
  return async (request) => {
    if (!request.includes('# The critique')) return sentences[hash(`${seed}/${request}`) % sentences.length]!;
    const [, current, sentence] = /as it is now\n\n([\s\S]*?)\n\n# The critique\n\n(.*)\n/.exec(request)!;
    const isThere = current!.includes(sentence!);
    return `<new_prompt>${isThere ? current!.replace(` ${sentence}`, '') : `${current} ${sentence}`}</new_prompt>`;
  };
}

function hash(text: string): number {
  let state = 2_166_136_261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0)!, 16_777_619) >>> 0;
  return state;
}

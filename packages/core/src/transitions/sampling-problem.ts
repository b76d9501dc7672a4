import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';

/**
 * Says why a captured call was sampled from another distribution than softmax(logits / temperature), which training scores, or returns
 * undefined when it was not. A call that names no temperature has that of the dialects, 1.
 */
export function samplingProblem({ attributes }: Span): string | undefined {
  const { [attributeNames.requestTemperature]: temperature = 1, [attributeNames.requestTopP]: topP = 1 } = attributes;
  if (temperature === 0) return 'it was sampled greedily (temperature 0): no other token could have been drawn';
  if (!(typeof temperature === 'number' && temperature > 0 && temperature < Infinity))
    return `its temperature is ${JSON.stringify(temperature)}`;
  return topP === 1 ? undefined : `it was sampled with top_p ${JSON.stringify(topP)}, and training scores every token`;
}

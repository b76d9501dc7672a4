/** Draws one item with a probability proportional to its weight; every item alike where the weights are no measure: one is negative, or all are 0. */
export function drawWeighted<Item>(items: readonly Item[], weights: readonly number[], random: () => number): Item {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const isMeasure = total > 0 && weights.every((weight) => weight >= 0);
  let left = random() * (isMeasure ? total : items.length);
  for (const [index, item] of items.entries()) {
    left -= isMeasure ? weights[index]! : 1;
    if (left < 0) return item;
  }
  return items.at(-1)!;
}

/** Draws so many different items, in the order in which they were drawn; all of them where there are fewer. */
export function drawSome<Item>(items: readonly Item[], count: number, random: () => number): readonly Item[] {
  const left = [...items];
  const drawn: Item[] = [];
  while (drawn.length < count && left.length > 0) drawn.push(...left.splice(Math.floor(random() * left.length), 1));
  return drawn;
}

import { createChatEngine, type ModelText, type TokenPiece } from '@agent-lightning/text';

const count = 2048;

/** Streams as many broken tokens as ordinary ones through a chat engine, and compares the times, in milliseconds. */
export async function measureDecoding(
  text: ModelText,
): Promise<{ readonly ordinaryMs: number; readonly brokenMs: number; readonly brokenOfOrdinary: number }> {
  const { tokenizer } = text;
  // The first byte of a character of three, alone: in byte-level vocabularies it is written `æ`, in others `<0xE6>`.
  const broken = tokenizer.idOf('<0xE6>') ?? tokenizer.idOf('æ');
  const ordinary = tokenizer.encode(' and', false)[0];
  if (broken === undefined || ordinary === undefined) throw new TypeError('the tokenizer has no token for a byte');
  await stream(text, ordinary); // compiles
  const ordinaryMs = await stream(text, ordinary);
  const brokenMs = await stream(text, broken);
  return {
    ordinaryMs: Math.round(ordinaryMs),
    brokenMs: Math.round(brokenMs),
    brokenOfOrdinary: Math.round((10 * brokenMs) / ordinaryMs) / 10,
  };
}

async function stream(text: ModelText, token: number): Promise<number> {
  const engine = createChatEngine({
    text,
    contextLength: 2 * count,
    async *sample() {
      const piece: TokenPiece = { choice: 0, tokens: Int32Array.of(token), logprobs: new Float32Array(1) };
      for (let sampled = 1; sampled < count; sampled += 1) yield piece;
      yield { ...piece, finish: 'length' };
    },
  });
  const start = performance.now();
  for await (const event of engine.generate({ input: { prompt: Int32Array.of(token) } })) void event;
  return performance.now() - start;
}

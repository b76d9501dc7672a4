import { createOpenAI } from '@ai-sdk/openai';
import { withLightning } from '@agent-lightning/ai-sdk';
import { defineConfig } from 'agent-lightning';
import { generateText } from 'ai';

const openai = createOpenAI({ baseURL: process.env['TEST_MODEL_URL']!, apiKey: 'none' });
const model = withLightning(openai.chat('gpt-4o-mini'));

export default defineConfig({
  rollout: async ({ question, answer }) => {
    const { text } = await generateText({ model, prompt: question });
    return text === answer;
  },
  train: [
    { question: 'one or two?', answer: 'one' },
    { question: 'one or three?', answer: 'one' },
  ],
  progress: 'none',
});

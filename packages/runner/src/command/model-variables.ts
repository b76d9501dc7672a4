import { anthropicBaseUrl } from '@agent-lightning/tracing';
import type { LlmEndpoint } from '@agent-lightning/core';

/**
 * Returns the variables by which an agent in another process finds its attempt's endpoint: for the clients of OpenAI and Anthropic, for what reads
 * names of its own (LiteLLM, CrewAI and LangChain in Python), and for agents of Agent Lightning 1.0. Undefined takes a variable away.
 */
export function modelVariables(llm: LlmEndpoint): Readonly<Record<string, string | undefined>> {
  const anthropic = anthropicBaseUrl(llm);
  return {
    OPENAI_BASE_URL: llm.baseUrl,
    OPENAI_API_BASE: llm.baseUrl,
    OPENAI_API_KEY: llm.apiKey,
    ANTHROPIC_BASE_URL: anthropic,
    ANTHROPIC_API_BASE: anthropic,
    ANTHROPIC_API_URL: anthropic,
    ANTHROPIC_API_KEY: llm.apiKey,
    // A token of this process would be sent in place of the key.
    ANTHROPIC_AUTH_TOKEN: undefined,
    AGL_OPENAI_BASE_URL: llm.baseUrl,
    AGL_KEY: llm.apiKey,
    AGENT_LIGHTNING_MODEL: llm.model,
    ...withoutOwnTracing,
  };
}

/**
 * Turns off what would send traces of training to the maker of a framework: OpenAI's Agents SDK with the key that it finds, which here is the
 * attempt's, and CrewAI from each of thousands of processes.
 */
const withoutOwnTracing = {
  OPENAI_AGENTS_DISABLE_TRACING: '1',
  CREWAI_DISABLE_TELEMETRY: 'true',
  CREWAI_TRACING_ENABLED: 'false',
} as const;

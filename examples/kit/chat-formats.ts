/** The chat templates of starting models: they turn chats into text. */

/** A Jinja chat template, and the tokens that only it writes. */
export interface ChatFormat {
  readonly template: string;
  readonly specialTokens: readonly string[];
  /** Ends every message; one of the special tokens. */
  readonly endToken: string;
}

const endToken = '<|end|>';
const roleTokens = ['<|system|>', '<|user|>', '<|assistant|>'];
const generationPrompt = "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/** Messages of text, each after its role. */
export const plainChat: ChatFormat = {
  template: `{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}${generationPrompt}`,
  specialTokens: [endToken, ...roleTokens],
  endToken,
};

/**
 * Messages, tools and tool calls. A tool is told in few tokens, as `calculator(expression)`; a call is written as Hermes and Qwen do:
 * `<tool_call>{"name": "calculator", "arguments": {"expression": "1 + 2"}}</tool_call>`.
 */
export const toolChat: ChatFormat = {
  template: [
    '{% if tools %}<|tools|>',
    '{% for tool in tools %}{{ tool.function.name }}(',
    "{% for name in tool.function.parameters.properties %}{{ name if loop.first else ', ' + name }}{% endfor %})",
    '{% if not loop.last %} {% endif %}{% endfor %}<|end|>{% endif %}',
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content }}",
    '{% for call in message.tool_calls or [] %}<tool_call>{"name": "{{ call.function.name }}", ',
    '"arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}<|end|>{% endfor %}',
    generationPrompt,
  ].join(''),
  specialTokens: [endToken, ...roleTokens, '<|tools|>', '<|tool|>'],
  endToken,
};

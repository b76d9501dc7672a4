/** The call of an agent with prompts: a system message with a slot, six tools, and a conversation. */

const instructions = [
  'You are the support agent of a shop. You answer questions of customers about their orders, politely and in few words.',
  'Look orders up before you say anything about them. Never promise a date that a tool has not given you.',
  'When a customer is angry, say that you understand, then say what will happen next.',
].join('\n');
/** The system message as it was found: the customer's name differs from call to call. */
const template = `${instructions.repeat(4)}\nThe customer is {{slot1}}.`;

const tools = ['find_order', 'find_customer', 'refund', 'send_mail', 'search_help', 'open_ticket'];
const describeTool = (name: string): string => `Does what ${name} says, for one customer at a time, and returns JSON.`;

/** The prompts that are replaced: the system message, and the descriptions of two tools. */
export const foundPrompts = [
  { name: 'agent/system', kind: 'system', text: template, slots: ['slot1'] },
  ...tools.slice(0, 2).map((tool) => ({
    name: `tool:${tool}/description`,
    kind: 'tool' as const,
    tool,
    text: describeTool(tool),
    slots: [],
  })),
] as const;

/** The texts that take their place. */
export const newTexts: Readonly<Record<string, string>> = Object.fromEntries(
  foundPrompts.map(({ name, text }) => [name, `${text} Answer in two sentences at most.`]),
);

/** Returns the body of a call, of about 7 KB. */
export function promptedBody(model: string, isStream: boolean): Buffer {
  const turns = Array.from({ length: 12 }, (_, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: `Where is order ${index}? It was to be here on Monday, and today is Friday. `.repeat(5),
  }));
  return Buffer.from(
    JSON.stringify({
      model,
      stream: isStream,
      messages: [{ role: 'system', content: template.replace('{{slot1}}', 'Jane "JJ" Doe') }, ...turns],
      tools: tools.map((name) => ({
        type: 'function',
        function: {
          name,
          description: describeTool(name),
          parameters: { type: 'object', properties: { id: { type: 'string', description: 'The id.' } } },
        },
      })),
    }),
  );
}

import type { JsonObject } from '../../http/read-body.ts';
import type { ReplyError } from '../../http/reply-error.ts';
import { ToolCallOrder, type ToolCallDelta } from '../../reply/tool-call-order.ts';
import { checkOrder, readSaid, readUsage, type ChatUsage } from '../chat/chat-reply.ts';
import type { DialectEvent } from '../dialect.ts';
import { carriesReasoning } from './carried-reasoning.ts';
import {
  callItem,
  messageItem,
  newId,
  reasoningItem,
  responseHead,
  statusOf,
  textPart,
  usageOf,
  type OutputItem,
} from './response-object.ts';

type Kind = 'reasoning' | 'text' | 'refusal' | 'call';

/** The tool call of an open item; its arguments are the item's text. */
interface OpenCall {
  readonly number: number;
  readonly id: string;
  readonly name: string;
}

/** An item that is not complete yet. */
interface OpenItem {
  readonly kind: Kind;
  readonly id: string;
  readonly outputIndex: number;
  text: string;
  readonly logprobs: JsonObject[];
  /** The tool call of the item; undefined for other items. */
  readonly call: OpenCall | undefined;
}

const textEvents = {
  reasoning: { name: 'reasoning_text', field: 'text' },
  text: { name: 'output_text', field: 'text' },
  refusal: { name: 'refusal', field: 'refusal' },
} as const;

const idPrefixes = { reasoning: 'rs', text: 'msg', refusal: 'msg', call: 'fc' } as const;

function partOf({ kind, text, logprobs }: OpenItem): JsonObject {
  if (kind === 'reasoning') return { type: 'reasoning_text', text };
  return kind === 'refusal' ? { type: 'refusal', refusal: text } : textPart(text, logprobs);
}

function itemOf(item: OpenItem, status: string, request: JsonObject): OutputItem {
  if (item.kind === 'reasoning') return reasoningItem(item.text, carriesReasoning(request), item.id);
  if (item.call !== undefined) return callItem({ ...item.call, arguments: item.text }, status, item.id);
  return messageItem(status === 'in_progress' ? [] : [partOf(item)], status, item.id);
}

/** Translates chunks of a chat reply into the events of a streamed response. */
export class ResponseStream {
  readonly #request: JsonObject;
  readonly #onOutput: (items: readonly OutputItem[], responseId: unknown) => void;
  readonly #done: OutputItem[] = [];
  readonly #order = new ToolCallOrder();
  #events: DialectEvent[] = [];
  #sequence = 0;
  #head: JsonObject | undefined;
  #open: OpenItem | undefined;
  /** Tells whether the reply holds anything but reasoning. */
  #isAnswered = false;
  #finishReason: string | undefined;
  #usage: ChatUsage | undefined;

  /** Creates the translation of one stream. @param onOutput called with all items once they are whole, and the id of the response */
  constructor(request: JsonObject, onOutput: (items: readonly OutputItem[], responseId: unknown) => void) {
    this.#request = request;
    this.#onOutput = onOutput;
  }

  chunk(payload: JsonObject): readonly DialectEvent[] {
    if (this.#head === undefined) this.#begin(payload);
    this.#usage = readUsage(payload) ?? this.#usage;
    const said = readSaid(payload);
    if (said !== undefined) {
      if (said.reasoning !== '') this.#say('reasoning', said.reasoning, []);
      if (said.text !== '') this.#say('text', said.text, said.logprobs);
      if (said.refusal !== '') this.#say('refusal', said.refusal, []);
      for (const call of said.calls) this.#call(call);
      this.#finishReason = said.finishReason ?? this.#finishReason;
    }
    return this.#take();
  }

  end(): readonly DialectEvent[] {
    const status = statusOf(this.#finishReason);
    if (!this.#isAnswered) this.#openItem('text', undefined);
    this.#close(String(status['status']));
    this.#onOutput(this.#done, this.#head?.['id']);
    const type = `response.${String(status['status'])}`;
    this.#emit(type, {
      response: { ...this.#head, ...status, output: this.#done, usage: usageOf(this.#usage) },
    });
    return this.#take();
  }

  failure(error: ReplyError): DialectEvent {
    return {
      type: 'error',
      code: error.replyCode,
      message: error.message,
      param: error.param ?? null,
      sequence_number: this.#sequence,
    };
  }

  #emit(type: string, fields: JsonObject): void {
    this.#events.push({ type, sequence_number: this.#sequence++, ...fields });
  }

  #take(): readonly DialectEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #begin(payload: JsonObject): void {
    this.#head = responseHead(payload, this.#request);
    const response = { ...this.#head, status: 'in_progress', incomplete_details: null, output: [], usage: null };
    this.#emit('response.created', { response });
    this.#emit('response.in_progress', { response });
  }

  #openItem(kind: Kind, call: OpenCall | undefined): OpenItem {
    this.#close('completed');
    const outputIndex = this.#done.length;
    const item: OpenItem = { kind, id: newId(idPrefixes[kind]), outputIndex, text: '', logprobs: [], call };
    this.#open = item;
    this.#isAnswered ||= kind !== 'reasoning';
    this.#emit('response.output_item.added', {
      output_index: outputIndex,
      item: { ...itemOf(item, 'in_progress', this.#request), status: 'in_progress' },
    });
    if (call === undefined) this.#emit('response.content_part.added', { ...this.#place(item), part: partOf(item) });
    return item;
  }

  #place(item: OpenItem): JsonObject {
    return { item_id: item.id, output_index: item.outputIndex, content_index: 0 };
  }

  #say(kind: 'reasoning' | 'text' | 'refusal', text: string, logprobs: readonly JsonObject[]): void {
    const item = this.#open?.kind === kind ? this.#open : this.#openItem(kind, undefined);
    item.text += text;
    for (const logprob of logprobs) item.logprobs.push(logprob);
    this.#emit(`response.${textEvents[kind].name}.delta`, {
      ...this.#place(item),
      delta: text,
      ...(kind === 'text' ? { logprobs } : {}),
    });
  }

  #call(call: ToolCallDelta): void {
    const { number, isNew } = this.#order.place(call);
    let item = this.#open;
    if (item?.call?.number !== number) {
      checkOrder(call, number, isNew);
      item = this.#openItem('call', { number, id: call.id, name: call.name });
    }
    if (call.arguments === '' || item === undefined) return;
    item.text += call.arguments;
    this.#emit('response.function_call_arguments.delta', {
      item_id: item.id,
      output_index: item.outputIndex,
      delta: call.arguments,
    });
  }

  /** Ends the open item; only the last one can be cut short. */
  #close(status: string): void {
    const item = this.#open;
    if (item === undefined) return;
    this.#open = undefined;
    const done = itemOf(item, status, this.#request);
    if (item.kind === 'call') {
      this.#emit('response.function_call_arguments.done', {
        item_id: item.id,
        output_index: item.outputIndex,
        name: item.call?.name ?? '',
        arguments: item.text,
      });
    } else {
      const { name, field } = textEvents[item.kind];
      this.#emit(`response.${name}.done`, {
        ...this.#place(item),
        [field]: item.text,
        ...(item.kind === 'text' ? { logprobs: item.logprobs } : {}),
      });
      this.#emit('response.content_part.done', { ...this.#place(item), part: partOf(item) });
    }
    this.#emit('response.output_item.done', { output_index: item.outputIndex, item: done });
    this.#done.push(done);
  }
}

import type { JsonObject } from '../../http/read-body.ts';
import { sourceOf } from '../../http/json-source.ts';
import type { ReplyError } from '../../http/reply-error.ts';
import { ToolCallOrder, type ToolCallDelta } from '../../reply/tool-call-order.ts';
import { checkOrder, readSaid, readUsage, type ChatUsage } from '../chat/chat-reply.ts';
import type { DialectEvent } from '../dialect.ts';
import { messageError } from './message-error.ts';
import { messageHead, stopOf, usageOf } from './message-object.ts';
import { inputOf } from './tool-input.ts';

/** A tool call whose arguments are still coming. */
interface OpenCall {
  readonly number: number;
  arguments: string;
}

const openings = {
  thinking: { type: 'thinking', thinking: '', signature: '' },
  text: { type: 'text', text: '', citations: null },
} as const;

/** Translates chunks of a chat reply into the events of a streamed message. */
export class MessageStream {
  #events: DialectEvent[] = [];
  #isBegun = false;
  #isRefusal = false;
  readonly #order = new ToolCallOrder();
  #hasCalls = false;
  #blocks = 0;
  #open: 'thinking' | 'text' | OpenCall | undefined;
  #finishReason: string | undefined;
  #stopText: string | undefined;
  #usage: ChatUsage | undefined;

  chunk(payload: JsonObject): readonly DialectEvent[] {
    if (!this.#isBegun) this.#begin(payload);
    this.#usage = readUsage(payload) ?? this.#usage;
    const said = readSaid(payload);
    if (said !== undefined) {
      if (said.reasoning !== '') this.#say('thinking', { type: 'thinking_delta', thinking: said.reasoning });
      if (said.text !== '') this.#say('text', { type: 'text_delta', text: said.text });
      if (said.refusal !== '') {
        this.#isRefusal = true;
        this.#say('text', { type: 'text_delta', text: said.refusal });
      }
      for (const call of said.calls) this.#call(call);
      this.#finishReason = said.finishReason ?? this.#finishReason;
      this.#stopText = said.stopText ?? this.#stopText;
    }
    return this.#take();
  }

  end(): readonly DialectEvent[] {
    const stop = stopOf(this.#finishReason, this.#stopText, { isRefusal: this.#isRefusal, hasCalls: this.#hasCalls });
    this.#close();
    this.#events.push(
      { type: 'message_delta', delta: { ...stop, stop_details: null, container: null }, usage: usageOf(this.#usage) },
      { type: 'message_stop' },
    );
    return this.#take();
  }

  failure(error: ReplyError): DialectEvent {
    return { ...messageError(error), type: 'error' };
  }

  #take(): readonly DialectEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Begins the message. The size of the prompt is known only at the end of the stream, and sent there. */
  #begin(payload: JsonObject): void {
    this.#isBegun = true;
    const message = { ...messageHead(payload), content: [], stop_reason: null, stop_sequence: null };
    this.#events.push({ type: 'message_start', message: { ...message, usage: usageOf(undefined) } });
  }

  #start(block: JsonObject): void {
    this.#events.push({ type: 'content_block_start', index: this.#blocks, content_block: block });
  }

  #delta(delta: JsonObject): void {
    this.#events.push({ type: 'content_block_delta', index: this.#blocks, delta });
  }

  #say(kind: 'thinking' | 'text', delta: JsonObject): void {
    if (this.#open !== kind) {
      this.#close();
      this.#open = kind;
      this.#start(openings[kind]);
    }
    this.#delta(delta);
  }

  #call(call: ToolCallDelta): void {
    const { number, isNew } = this.#order.place(call);
    const open = this.#open;
    if (typeof open === 'object' && open.number === number) {
      open.arguments += call.arguments;
      return;
    }
    checkOrder(call, number, isNew);
    this.#hasCalls = true;
    this.#close();
    this.#open = { number, arguments: call.arguments };
    this.#start({ type: 'tool_use', id: call.id, name: call.name, input: {} });
  }

  /** Closes the open block. A tool call's arguments are sent here, whole: only now is it known whether they are an object. */
  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    if (typeof open === 'object')
      this.#delta({ type: 'input_json_delta', partial_json: sourceOf(inputOf(open.arguments)) });
    this.#events.push({ type: 'content_block_stop', index: this.#blocks });
    this.#blocks += 1;
    this.#open = undefined;
  }
}

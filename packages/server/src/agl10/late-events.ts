import { RequestError } from '../http/request-error.ts';
import type { Agl10Event } from './agl10-shapes.ts';

interface Kept {
  readonly events: Agl10Event[];
  characters: number;
}

/** The most characters of all late events as JSON. */
const mostCharacters = 67_108_864;

/**
 * Keeps, in this process's memory, events other than rewards that are posted to rollouts that are final already: our store takes none any
 * more. When there is too much, those of the rollout go that has been without a new one for longest.
 */
export class LateEvents {
  readonly #kept: Map<string, Kept> = new Map();
  readonly #mostCharacters: number;
  #characters = 0;

  constructor(options: { readonly mostCharacters?: number } = {}) {
    this.#mostCharacters = options.mostCharacters ?? mostCharacters;
  }

  /** Adds an event. @throws {RequestError} 413 when its rollout alone would have too much */
  add(event: Agl10Event): void {
    const { rollout_id: rolloutId } = event;
    const kept = this.#kept.get(rolloutId) ?? { events: [], characters: 0 };
    const characters = JSON.stringify(event).length;
    if (kept.characters + characters > this.#mostCharacters)
      throw new RequestError(
        `the final rollout ${rolloutId} has ${kept.characters} characters of events already; at most ${this.#mostCharacters} are kept`,
        { code: 'request-too-large' },
      );
    this.#kept.delete(rolloutId);
    this.#kept.set(rolloutId, kept);
    kept.events.push(event);
    kept.characters += characters;
    this.#characters += characters;
    for (const oldest of this.#kept.keys()) {
      if (this.#characters <= this.#mostCharacters) return;
      this.forget(oldest);
    }
  }

  /** Returns the events of a rollout in the order in which they came. */
  of(rolloutId: string): readonly Agl10Event[] {
    return this.#kept.get(rolloutId)?.events ?? [];
  }

  forget(rolloutId: string): void {
    this.#characters -= this.#kept.get(rolloutId)?.characters ?? 0;
    this.#kept.delete(rolloutId);
  }
}

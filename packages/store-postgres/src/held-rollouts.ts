/** One transaction under way. */
export interface Holder {
  readonly waiting: (() => void)[];
  isOver: boolean;
}

/** A write needs a rollout that another transaction of this process holds; it starts over when that one is through. */
export class HeldElsewhere {
  readonly holder: Holder;

  constructor(holder: Holder) {
    this.holder = holder;
  }
}

/**
 * Knows which transaction of this process holds which rollout. Two transactions of many writes each could otherwise wait for each other's
 * records; a write that would have to wait steps back instead, since it has changed nothing yet.
 */
export class HeldRollouts {
  readonly #holders: Map<string, Holder> = new Map();

  begin(): Holder {
    return { waiting: [], isOver: false };
  }

  /** Holds the rollouts for the transaction. @throws HeldElsewhere */
  hold(rolloutIds: readonly string[], holder: Holder): void {
    for (const rolloutId of rolloutIds) {
      const other = this.#holders.get(rolloutId);
      if (other !== undefined && other !== holder) throw new HeldElsewhere(other);
    }
    for (const rolloutId of rolloutIds) this.#holders.set(rolloutId, holder);
  }

  end(holder: Holder): void {
    holder.isOver = true;
    for (const [rolloutId, other] of this.#holders) if (other === holder) this.#holders.delete(rolloutId);
    for (const goOn of holder.waiting.splice(0)) goOn();
  }
}

import { condition } from '@temporalio/workflow';
import type { ControlState } from '../../domain/ports.js';
import { steps } from '../steps.js';

/**
 * The run's control row, which tells the workers whether anything may leave. One order is written at a time, and the newest one
 * next, so that no order is overtaken by an earlier one, however long the ledger is away.
 */
export class ControlRow {
  #state: ControlState = 'go';
  #orderedAt = 0;
  #writtenAt = 0;
  #isWriting = false;
  #hasFailed = false;

  /** @param onFailure told why an order could not be written at all */
  constructor(private readonly onFailure: (error: unknown) => void) {}

  /** @returns whether that order, or a newer one, is committed within `withinMs`; written it is in any case */
  async write(runId: string, state: ControlState, withinMs?: number): Promise<boolean> {
    // Temporal's time, so that an order also comes after those of an earlier execution
    const orderedAt = Math.max(Date.now(), this.#orderedAt + 1);
    this.#state = state;
    this.#orderedAt = orderedAt;
    if (!this.#isWriting) void this.#writeAll(runId);
    const isDone = (): boolean => this.#writtenAt >= orderedAt || this.#hasFailed;
    if (withinMs === undefined) await condition(isDone);
    else await condition(isDone, withinMs);
    return this.#writtenAt >= orderedAt;
  }

  get isWritten(): boolean {
    return this.#writtenAt >= this.#orderedAt || this.#hasFailed;
  }

  async #writeAll(runId: string): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#writtenAt < this.#orderedAt) {
        const orderedAt = this.#orderedAt;
        await steps.command({ runId, state: this.#state, orderedAt });
        this.#writtenAt = orderedAt;
      }
    } catch (error) {
      this.#hasFailed = true;
      this.onFailure(error);
    } finally {
      this.#isWriting = false;
    }
  }
}

/** A story that once went wrong, as the tape that tells it. Kept for ever; `test/simulation/` tells them all again. */
export interface Regression {
  readonly name: string;
  readonly tape: readonly number[];
}

const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);

export const REGRESSIONS: readonly Regression[] = [
  {
    // The wait for a lost request was counted from its intent; it left 400 ms later, because the ledger answered slowly.
    name: 'a request that leaves long after its intent, and arrives late',
    tape: [1, ...zeros(30), 199, 0, 0, 230, 243, ...zeros(11), 183],
  },
  {
    name: 'a retry that finds another task under the id of a target that was asked',
    tape: [1, 0, 16, 0, 2, ...zeros(12), 8, ...zeros(11), 84, ...zeros(14), 242],
  },
  {
    // List `Stopped`, detail: steps still run. That is ending, and was taken for active.
    name: 'a list that says ended while the detail says running',
    tape: [1, ...zeros(13), 250, 111],
  },
  {
    // `due` was answered for ever although nothing is sent after a brake, so the target got no outcome.
    name: 'a brake while a repeat is due',
    tape: [1, 17, 8, ...zeros(11), 64],
  },
  {
    name: 'a cancel while a safe stop is verified that has no effect',
    tape: [1, 202, 16, ...zeros(6), 8, 0, 0, 0, 0, 64],
  },
  {
    // Stop found nothing to send, verify found the climb due, and so on without end.
    name: 'a climb that is due for a target whose id belongs to another task by now',
    tape: [0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 98, 2],
  },
  {
    // An age below zero passed for young.
    name: "a worker whose clock is behind discovery's list",
    tape: [4, 0, 16, 0, 2, ...zeros(12), 2, 0, 0, 167, 0, 0, 122, ...zeros(12), 4],
  },
  {
    // The retry's time was compared with the intent's, of another clock: asked three times.
    name: 'a retry that is carried out by a worker whose clock is behind',
    tape: [1, 229, 0, 1, 1, ...zeros(12), 212, ...zeros(7), 226],
  },
  {
    // A doubt had no deadline of its own, so its verification listed until the end of time.
    name: 'a cancel before a doubt is settled whose target is another task by now',
    tape: [
      ...[4, 0, 64, 0, 111, 59, 0, 0, 52, 0, 2, ...zeros(9), 223, 0, 0, 0, 2, 0, 68, 0, 1],
      ...[...zeros(12), 246, 0, 0, 0, 0, 223, 0, 0, 0, 198],
    ],
  },
  {
    // The no to the stop counted for the whole attempt, so the task that we had ended was called `alreadyEnded`.
    name: 'a server that says no to the stop behind the end of the sessions',
    tape: [...zeros(6), 217, 0, 1, ...zeros(9), 237],
  },
  {
    // The error counted as a no, though the session had ended.
    name: 'an end of a session whose answer is lost',
    tape: [0, 2, ...zeros(9), 242, 47, ...zeros(18), 213, ...zeros(7), 254],
  },
  {
    name: 'a second session that our account may not end',
    tape: [...zeros(6), 147, 0, 1, ...zeros(14), 231, 0, 225],
  },
];

import type { Estate } from '../contracts/estate.js';
import type { ConfirmNeed } from '../contracts/plan.js';
import type { Policy } from '../contracts/policy.js';
import type { TerminationRequest } from '../contracts/request.js';

/** Weakest first. */
const ORDER = ['none', 'count', 'approver', 'twoApprovers'] as const satisfies readonly ConfirmNeed[];

/**
 * Which consent a plan needs: the policy's; `everything` raises it by one step; a target without a contract at least to what
 * the estate says; and then an emergency lowers approvers to count, by which the approval is owed.
 */
export function confirmNeed(
  policy: Pick<Policy, 'confirm'>,
  request: Pick<TerminationRequest, 'everything' | 'emergency'>,
  hasUnmatched: boolean,
  estate: Pick<Estate, 'unmatched'>,
): ConfirmNeed {
  const need = needWithoutEmergency(policy, request, hasUnmatched, estate);
  return request.emergency ? lowered(need) : need;
}

/** Whether an emergency lowered the need, so that an approval stays owed after the run. */
export function owesApproval(
  policy: Pick<Policy, 'confirm'>,
  request: Pick<TerminationRequest, 'everything' | 'emergency'>,
  hasUnmatched: boolean,
  estate: Pick<Estate, 'unmatched'>,
): boolean {
  const need = needWithoutEmergency(policy, request, hasUnmatched, estate);
  return request.emergency && lowered(need) !== need;
}

/**
 * Why an approval by this person does not count, or undefined when it does. Two spellings of one name are one person.
 * @param approvedBy whose approvals of this plan count already
 */
export function approvalRefusal(
  need: ConfirmNeed,
  request: Pick<TerminationRequest, 'requestedBy'>,
  by: string,
  approvedBy: readonly string[],
  emergency: boolean,
): string | undefined {
  const asked = emergency ? lowered(need) : need;
  if (asked === 'none' || asked === 'count') return undefined;
  if (isSamePerson(by, request.requestedBy)) {
    return `${by} asked for this run; the approval must come from someone else.`;
  }
  if (asked === 'twoApprovers' && approvedBy.some((other) => isSamePerson(by, other))) {
    return `${by} has approved already; the second approval must come from another person.`;
  }
  return undefined;
}

/** Whether the approvals that count are enough. */
export function isConfirmed(need: ConfirmNeed, approvedBy: readonly string[]): boolean {
  switch (need) {
    case 'none':
      return true;
    case 'count':
    case 'approver':
      return approvedBy.length >= 1;
    case 'twoApprovers':
      return new Set(approvedBy.map(person)).size >= 2;
  }
}

function needWithoutEmergency(
  policy: Pick<Policy, 'confirm'>,
  request: Pick<TerminationRequest, 'everything'>,
  hasUnmatched: boolean,
  estate: Pick<Estate, 'unmatched'>,
): ConfirmNeed {
  const raised = ORDER[ORDER.indexOf(policy.confirm) + (request.everything ? 1 : 0)] ?? 'twoApprovers';
  return hasUnmatched ? strongest(raised, estate.unmatched.confirm) : raised;
}

function strongest(a: ConfirmNeed, b: ConfirmNeed): ConfirmNeed {
  return ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b;
}

function lowered(need: ConfirmNeed): ConfirmNeed {
  return need === 'approver' || need === 'twoApprovers' ? 'count' : need;
}

function isSamePerson(a: string, b: string): boolean {
  return person(a) === person(b);
}

function person(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase();
}

/** Models that an agent may name. */
import type { Identity } from '../../../../shared/identity/identity.ts'

/** @throws Failure NOT_FOUND for a model that there is not, TIER_REQUIRED for one that the plan does not have */
export function checkModel(_model: string, _identity: Pick<Identity, 'plan'>): void {}

/** Tokens that a model reads and writes at once; of the default one where none is named. */
export function contextTokensOf(_model: string | null, _identity: Pick<Identity, 'plan'>): number {
  return 8192
}

/** The model that a caller names. */
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'
import { findModel, type Model } from '../../../../shared/models/catalogue.ts'

/** @throws Failure NOT_FOUND, TIER_REQUIRED, with the name of the member that is wrong in its details */
export function chooseModel(
  name: string | undefined,
  { identity }: Pick<Call, 'identity'>,
  kind: Model['kind'] = 'chat',
): Model {
  try {
    return findModel(name, identity.plan, kind)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { code, message, facts } = error
    throw new Failure(code, message, {
      ...facts,
      details: { ...facts.details, param: 'model' },
      cause: error,
    })
  }
}

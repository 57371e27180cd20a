/** Whose own rows are read: all that is used of a call. */
import type { Call } from '../../../shared/contract/call.ts'

export type Person = Pick<Call, 'db'> & { identity: Pick<Call['identity'], 'tenant' | 'user'> }

/** Preferences and patterns as rows. Every query names the person: nobody reads or changes another's, admins included. */
import type { Call } from '../../../../shared/contract/call.ts'
import type { Db } from '../../../../shared/database/database.ts'
import type { Trait } from './traits.ts'

/** Traits of one person that are in use or proposed. */
export const MAX_TRAITS = 500

function columns(db: Db) {
  return db`id, aspect, path, content, source, confidence, confirmed_at, occurrences, status, reason, replaces,
    token_id, created_at`
}

/** What the person has set or accepted, the surest and latest first; as many as one may have. */
export async function readCommitted({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<Trait[]> {
  return db<Trait[]>`
    select ${columns(db)} from persona_traits
    where user_id = ${identity.user} and status = 'committed' order by confirmed_at desc, id desc limit ${MAX_TRAITS}`
}

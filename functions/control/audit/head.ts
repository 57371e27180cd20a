/** The last record of a tenant's audit: its number and its hash, which stand for all records before it. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'

const AUDIENCE = 'urn:kgents:audit'
/** What the first record is chained to. */
const BEFORE_ALL = '00'.repeat(32)

export const AuditHead = z.strictObject({
  tenant: z.uuid(),
  seq: z.int().describe('How many records there have been'),
  hash: z.string().describe('Hash of the last one, in hexadecimal digits'),
  statement: z.string().describe('The same as a JWT of the platform, with `tenant` as `sub`'),
})

export async function signHead({
  db,
  identity: { tenant },
  attest,
}: Pick<Call, 'db' | 'identity' | 'attest'>): Promise<z.infer<typeof AuditHead>> {
  const [head] = await db<{ seq: number; hash: string }[]>`
    select seq::float8 as seq, encode(hash, 'hex') as hash from audit_heads`
  const { seq, hash } = head ?? { seq: 0, hash: BEFORE_ALL }
  return { tenant, seq, hash, statement: await attest(tenant, AUDIENCE, { seq, hash }) }
}

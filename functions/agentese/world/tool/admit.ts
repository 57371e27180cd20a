/** What an admin of the tenant admits: secrets that tools send, and origins that they may reach. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'
import { SECRET_NAME } from './secrets.ts'

/** Of each kind, in one tenant. */
const MAX_ORIGINS = 100
const MAX_SECRETS = 100

const SecretName = z.string().regex(SECRET_NAME, 'must be a capital letter followed by A-Z, 0-9 or _')
const NO_ORIGIN = 'is no origin such as https://api.example.com'
const Origin = z
  .string()
  .max(300)
  .regex(/^https?:\/\/[^\s/?#@\\]+$/, NO_ORIGIN)
  .refine((text) => URL.parse(text)?.origin === text, NO_ORIGIN)

/** For schemas: a value of this type, with origins as many as that. */
const givenWith = (type: 'string' | 'null', origins: object) => ({
  type: 'object',
  properties: { value: { type }, origins: { type: 'array', ...origins } },
  required: type === 'null' ? ['value'] : ['value', 'origins'],
})

export const secret = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'Store what tools send in their headers, and to whom; null forgets it',
  effects: ['writes:tool_secret'],
  permission: 'tenant:admin',
  secret: true,
  needs: ['secrets'],
  input: z
    .strictObject({
      name: SecretName,
      value: z
        .string()
        .min(8)
        .max(4000)
        .regex(
          /^[\u0021-\u007e\u0080-\u00ff]+( [\u0021-\u007e\u0080-\u00ff]+)*$/,
          'is nothing that a header can hold',
        )
        .nullable(),
      origins: z.array(Origin).max(10).default([]),
    })
    .refine(({ value, origins }) => (value === null) === (origins.length === 0), {
      path: ['origins'],
      message: 'name where it may be sent, and nothing for one that is forgotten',
    })
    .meta({ oneOf: [givenWith('string', { minItems: 1 }), givenWith('null', { maxItems: 0 })] }),
  output: z.strictObject({ name: z.string(), stored: z.boolean(), origins: z.array(z.string()) }),
  examples: [
    {
      summary: 'A key for one interface',
      input: { name: 'WEATHER', value: 'put-your-key-here', origins: ['https://api.example.com'] },
    },
  ],
  async handle({ name, value, origins }, { db, identity, secretBox }) {
    if (value === null) {
      await db`delete from tool_secrets where name = ${name}`
      return { name, stored: false, origins: [] }
    }
    const sealed = secretBox.seal(identity.tenant, name, value)
    await db`
      insert into tool_secrets (tenant_id, name, sealed, origins, updated_by)
      values (${identity.tenant}, ${name}, ${sealed}, ${db.json(origins)}, ${identity.user})
      on conflict (tenant_id, name) do update
        set sealed = excluded.sealed, origins = excluded.origins, updated_by = excluded.updated_by, updated_at = now()`
    await checkFewer(db, 'tool_secrets', MAX_SECRETS)
    return { name, stored: true, origins }
  },
})

export const allow = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'Let tools go to an origin by http, or on an unusual port; or let them no longer',
  effects: ['writes:tool_origin'],
  permission: 'tenant:admin',
  input: z.strictObject({ origin: Origin, allowed: z.boolean().default(true) }),
  output: z.strictObject({ origin: z.string(), allowed: z.boolean() }),
  examples: [{ summary: 'An unusual port', input: { origin: 'https://api.example.com:9443' } }],
  async handle({ origin, allowed }, { db, identity }) {
    if (!allowed) await db`delete from tool_origins where origin = ${origin}`
    else {
      await db`
        insert into tool_origins (tenant_id, origin, allowed_by) values (${identity.tenant}, ${origin}, ${identity.user})
        on conflict do nothing`
      await checkFewer(db, 'tool_origins', MAX_ORIGINS)
    }
    return { origin, allowed }
  },
})

/** @throws Failure QUOTA_EXCEEDED where there is one too many now */
async function checkFewer(db: Db, table: 'tool_secrets' | 'tool_origins', most: number): Promise<void> {
  const [count] = await db<{ held: number }[]>`select count(*)::integer as held from ${db(table)}`
  if ((count?.held ?? 0) <= most) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot store one more: a tenant has ${most} at most`, {
    suggestion: 'Take one away that you no longer need',
    details: { limit: most },
  })
}

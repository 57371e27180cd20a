/**
 * Tenants that come and go, on functions in this process: whoever signs up, operators, and what they leave. Each file has a
 * database of its own: ticks of others would do what is due in it.
 */
import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { call, type Answer, type OpenFunctions } from '../functions/in-process.ts'
import { testWithHolders, type Person } from '../functions/holders.ts'
import { inOwnDatabase, type Tenant } from '../functions/world.ts'

export const MANIFEST = '/v1/agentese/void/entropy/manifest'
export const SIGNUP = '/v1/signup'

export const newSlug = () => `s-${randomUUID()}`

export const wanted = (slug = newSlug()) => ({
  slug,
  name: 'Initrode',
  email: 'ada@initrode.example',
  person: 'Ada Lovelace',
})

/** An address that nobody else has: limits are for each. */
export const newAddress = () =>
  `2001:db8:${randomUUID().slice(0, 4)}:${randomUUID().slice(0, 4)}::${randomUUID().slice(0, 4)}`

export interface SignedUp extends Person {
  id: string
  slug: string
  user: string
  key: string
}

interface Tenancy {
  operator: Tenant
  /** Signs up from an address. */
  tries(body: object, address?: string): Promise<Answer>
  /** Somebody who has signed up. */
  signsUp(): Promise<SignedUp>
}

export const test = testWithHolders([], {}, inOwnDatabase).extend<Tenancy>({
  operator: async ({ newTenant }, use) => use(await newTenant('enterprise', ['super_admin', 'admin'])),
  tries: async ({ opened }, use) =>
    use((body, address = newAddress()) => signUpAt(opened.app, body, address)),
  signsUp: async ({ tries, withKey }, use) =>
    use(async () => {
      const { slug, ...rest } = wanted()
      const { status, body } = await tries({ slug, ...rest })
      if (status !== 201) throw new Error(JSON.stringify(body))
      return { id: body.tenant.id, slug, user: body.member.id, key: body.key, ...withKey(body.key) }
    }),
})

/** Without a credential. */
function signUpAt(app: OpenFunctions['app'], body: object, address: string): Promise<Answer> {
  return call(app, '', 'POST', SIGNUP, body, { authorization: '', 'x-real-ip': address })
}

/** Tables with rows of a tenant, and how many. */
export async function rowsOf(owner: postgres.Sql, tenant: string): Promise<Record<string, number>> {
  const tables = await owner<{ name: string }[]>`select name from tenant_tables() order by 1`
  const counts: Record<string, number> = {}
  for (const { name } of tables) {
    const [row] = await owner<{ n: number }[]>`
      select count(*)::int as n from ${owner(name)} where tenant_id = ${tenant}`
    if ((row?.n ?? 0) > 0) counts[name] = row?.n ?? 0
  }
  return counts
}

/** The 30 days of a deleted tenant pass. */
export async function passGrace(owner: postgres.Sql, tenant: string): Promise<void> {
  await owner`
    update tenants set deleted_at = deleted_at - interval '31 days', suspended_at = suspended_at - interval '31 days'
    where id = ${tenant}`
}

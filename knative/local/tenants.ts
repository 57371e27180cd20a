/** The tenants that a new local platform has, so that there is somebody to call as: two customers, and one of the operator. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { createApiKey, hashApiKey } from '../../shared/identity/api-keys.ts'
import { makeTenant, type NewTenant } from '../../shared/tenancy/new-tenant.ts'
import { newId } from '../../shared/new-id.ts'
import { replaceFile } from './write-file.ts'

const TENANTS = [
  { slug: 'acme', name: 'Acme', tier: 'pro' },
  { slug: 'globex', name: 'Globex', tier: 'free' },
  { slug: 'platform', name: 'Platform', tier: 'enterprise', operates: true },
] as const satisfies LocalTenant[]

interface LocalTenant extends Pick<NewTenant, 'slug' | 'name' | 'tier'> {
  operates?: boolean
}

interface DevTenant {
  id: string
  apiKey: string
}

/** What `.kgents/dev.json` holds. */
export interface DevFile {
  url: string
  tenants: Record<(typeof TENANTS)[number]['slug'], DevTenant>
}

/**
 * Makes the tenants that are missing, each with an admin and an API key, and writes `dev.json`.
 *
 * @param url owner's connection to the database
 */
export async function ensureTenants(url: string, state: string, gatewayUrl: string): Promise<DevFile> {
  const file = join(state, 'dev.json')
  const known = readDevFile(file)
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const tenants: Partial<DevFile['tenants']> = {}
    for (const tenant of TENANTS)
      tenants[tenant.slug] = await ensureTenant(sql, tenant, known?.tenants?.[tenant.slug])
    const dev = { url: gatewayUrl, tenants: tenants as DevFile['tenants'] }
    replaceFile(file, `${JSON.stringify(dev, null, 2)}\n`)
    return dev
  } finally {
    await sql.end()
  }
}

/** What an earlier start wrote; without it, or where it cannot be read, tenants get new keys. */
function readDevFile(file: string): Partial<DevFile> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<DevFile>
  } catch {
    return undefined
  }
}

/** A key that is known and still good stays; otherwise the tenant gets a new one. */
async function ensureTenant(
  sql: postgres.Sql,
  { slug, name, tier, operates = false }: LocalTenant,
  known: DevTenant | undefined,
): Promise<DevTenant> {
  if (known !== undefined) {
    const [found] = await sql`select * from authenticate_api_key(${hashApiKey(known.apiKey)})`
    if (found !== undefined) return known
  }
  const made = createApiKey()
  const admin = { email: `dev@${slug}.example`, name: 'Developer' }
  const tenant = { slug, name, tier, admin, operates, keyName: 'local development', key: made }
  const ids = await makeTenant(sql, tenant)
  return { id: ids?.tenant ?? (await addKey(sql, tenant)), apiKey: made.key }
}

/** Another key for the admin of a tenant whose keys are not known here any more. @returns the tenant's id */
async function addKey(sql: postgres.Sql, { slug, admin, keyName, key }: NewTenant): Promise<string> {
  const [row] = await sql<{ tenant_id: string }[]>`
    insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash)
    select ${newId()}, u.tenant_id, u.id, ${keyName}, ${key.prefix}, ${key.hash}
    from users u join tenants t on t.id = u.tenant_id where t.slug = ${slug} and u.email = ${admin.email}
    returning tenant_id`
  if (row === undefined) throw new Error(`Tenant "${slug}" has no admin "${admin.email}"`)
  return row.tenant_id
}

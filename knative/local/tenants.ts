/** The tenants that a new local platform has, so that there is somebody to call as: two customers, and one of the operator. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { createApiKey, hashApiKey } from '../../shared/identity/api-keys.ts'
import { writeTenant, type NewTenant } from '../tenant-rows.ts'
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
  return { id: await sql.begin((db) => writeTenant(db, tenant)), apiKey: made.key }
}

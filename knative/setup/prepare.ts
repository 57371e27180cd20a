/** What the Job does before a new version starts. */
import postgres, { type TransactionSql } from 'postgres'
import { z } from 'zod'
import { allowLogin, migrate } from '../../shared/database/migrate.ts'
import { migrateSilos } from '../../shared/database/silo-databases.ts'
import { makeTenant } from '../../shared/tenancy/new-tenant.ts'

export const SetupConfig = z.object({
  DATABASE_OWNER_URL: z.url().describe('PostgreSQL as the owner of the database'),
  APP_PASSWORD: z.string().min(16).describe('Password that `kgents_app` gets'),
  RELAY_PASSWORD: z.string().min(16).describe('Password that `kgents_relay` gets'),
  EXPORTER_PASSWORD: z.string().min(16).describe('Password that `kgents_usage_exporter` gets'),
  FIRST_TENANT: z.string().describe('Name of the tenant that is made where there is none'),
  FIRST_ADMIN: z.string().describe('E-mail address of its admin'),
  FIRST_API_KEY_PREFIX: z.string().describe('Beginning of the API key of that admin'),
  FIRST_API_KEY_HASH: z.base64url().describe('SHA-256 of that key, base64url'),
})
export type SetupConfig = Readonly<z.infer<typeof SetupConfig>>

/**
 * Brings the database to the newest schema, and lets functions and relay log in.
 *
 * @returns the names of the migrations that were applied
 */
export async function prepareCluster(config: SetupConfig): Promise<string[]> {
  const url = config.DATABASE_OWNER_URL
  const applied = await migrate(url)
  await migrateSilos(url)
  await allowLogin(url, 'kgents_app', config.APP_PASSWORD)
  await allowLogin(url, 'kgents_relay', config.RELAY_PASSWORD)
  await allowLogin(url, 'kgents_usage_exporter', config.EXPORTER_PASSWORD)
  await ensureFirstTenant(config)
  return applied
}

/**
 * In one transaction, and only while there is no tenant at all: a key that was revoked since does not come back. Its admin is the
 * first operator of the platform, also where the tenant is older than operators are.
 */
async function ensureFirstTenant(config: SetupConfig): Promise<void> {
  const sql = postgres(config.DATABASE_OWNER_URL, { max: 1, onnotice: () => {} })
  try {
    await sql.begin(async (db) => {
      await db`lock table tenants in share row exclusive mode`
      const [some] = await db`select from tenants limit 1`
      const { FIRST_TENANT: slug, FIRST_ADMIN: email } = config
      if (some !== undefined) return ensureOperator(db, { slug, email })
      const hash = Buffer.from(config.FIRST_API_KEY_HASH, 'base64url')
      await makeTenant(db, {
        slug,
        name: slug,
        tier: 'enterprise',
        admin: { email, name: email },
        operates: true,
        keyName: 'first key',
        key: { prefix: config.FIRST_API_KEY_PREFIX, hash },
      })
    })
  } finally {
    await sql.end()
  }
}

/** Only while there is no operator at all: one that was dismissed since does not come back. */
async function ensureOperator(
  db: TransactionSql,
  { slug, email }: { slug: string; email: string },
): Promise<void> {
  await db`
    update users set roles = array_append(roles, 'super_admin')
    where email = ${email} and tenant_id = (select id from tenants where slug = ${slug}) and 'admin' = any (roles)
      and not exists (select from users where 'super_admin' = any (roles) and removed_at is null)`
}

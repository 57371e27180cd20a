/** Makes the first tenant and the first operator of a platform. */
import postgres from 'postgres'
import { z } from 'zod'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import { bootstrapPlatform } from '../../shared/tenancy/new-tenant.ts'
import { Slug } from '../../shared/tenancy/slugs.ts'
import { UsageError } from '../usage-error.ts'

export const Bootstrap = z
  .object({
    databaseUrl: z.url({ protocol: /^postgres(ql)?$/, error: 'is required: postgres://...' }),
    email: z.string('is required').trim().toLowerCase().pipe(z.email('is no e-mail address')),
    slug: z.string('is required').pipe(Slug),
    name: z.string().trim().min(1).max(200).optional(),
    person: z.string().trim().min(1).max(200).optional(),
  })
  .strip()
type Bootstrap = z.infer<typeof Bootstrap>

/** What PostgreSQL answers where a function is missing, or is not ours to call. */
const REASONS: Record<string, string> = {
  '42883': 'its schema is missing or older than this version: apply the setup Job of the manifests first',
  '42501': 'that role may not: use the owner of the database, or a member of kgents_admin',
}

/** @throws UsageError where there is an operator, the slug is taken, or the database refuses */
export async function bootstrap(wanted: Bootstrap): Promise<{ tenant: string; key: string }> {
  const { databaseUrl, email, slug, name = slug, person = email } = wanted
  const { key, prefix, hash } = createApiKey()
  const sql = postgres(databaseUrl, { max: 1, connect_timeout: 10, onnotice: () => {} })
  try {
    const admin = { email, name: person }
    const first = {
      slug,
      name,
      tier: 'enterprise',
      admin,
      keyName: 'first key',
      key: { prefix, hash },
    } as const
    const made = await bootstrapPlatform(sql, first)
    if (made === 'operated') {
      throw new UsageError('Cannot bootstrap: the platform has an operator, and operators appoint each other')
    }
    if (made === 'taken')
      throw new UsageError(`Cannot bootstrap: the slug "${slug}" is taken; choose another one`)
    return { tenant: made.tenant, key }
  } catch (error) {
    throw asUsage(error)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

function asUsage(error: unknown): unknown {
  if (error instanceof UsageError || !(error instanceof Error)) return error
  const { code = '' } = error as { code?: string }
  const why =
    REASONS[code] ??
    (/^(E|CONN|28|3D|57P)/.test(code) ? `the database cannot be reached (${code})` : undefined)
  return why === undefined ? error : new UsageError(`Cannot bootstrap: ${why}`, { cause: error })
}

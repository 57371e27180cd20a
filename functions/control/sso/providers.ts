/** Providers of OpenID Connect of a tenant, as they are set, stored and shown: never with their secret. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import type { Db } from '../../../shared/database/database.ts'
import { Failure } from '../../../shared/failures.ts'
import { TENANT_ROLES } from '../../../shared/identity/permissions.ts'
import { newId } from '../../../shared/new-id.ts'
import { recordAudit, type Audited } from '../audit/record.ts'

/** Of one tenant. */
const MAX_PROVIDERS = 5
const MAX_GROUPS = 200

export const ProviderName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'is not a name such as "okta"')
type Role = (typeof TENANT_ROLES)[number]

const Roles = z.array(z.enum(TENANT_ROLES)).max(TENANT_ROLES.length)
const Domain = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, 'is no domain such as "example.com"')

/** As providers write it in their tokens: compared letter by letter. */
const Issuer = z
  .url()
  .max(500)
  .refine((text) => {
    const url = URL.parse(text)
    return url !== null && url.search === '' && url.hash === '' && url.username === ''
  }, 'is more than an issuer: it has no query and no fragment')

export const ProviderSettings = z.strictObject({
  issuer: Issuer,
  client_id: z.string().min(1).max(255),
  client_secret: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe('Absent keeps the one that was set; without one the client is public'),
  audience: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe('What tokens that are exchanged may name as their audience besides the client'),
  groups_claim: z.string().min(1).max(200).default('groups'),
  role_map: z
    .record(z.string().min(1).max(200), Roles.min(1))
    .refine((map) => Object.keys(map).length <= MAX_GROUPS, `has more than ${MAX_GROUPS} groups`)
    .default({})
    .describe('Roles by the name of a group; with any, roles follow the groups at every sign-in'),
  default_roles: Roles.default([]).describe('What everybody has whom the provider lets in'),
  enforced: z.boolean().default(false).describe('Whether people open sessions by a provider only'),
  just_in_time: z.boolean().default(false).describe('Whether somebody unknown becomes a member'),
  email_domains: z
    .array(Domain)
    .max(50)
    .default([])
    .describe('Domains for which the provider may speak; without one nobody is known by an address'),
})
export type ProviderSettings = z.infer<typeof ProviderSettings>

export const Provider = ProviderSettings.omit({ client_secret: true }).extend({
  name: z.string(),
  audience: z.string().nullable(),
  has_client_secret: z.boolean(),
  redirect_uri: z.string().describe('What to register with the provider'),
  created_at: z.string(),
  updated_at: z.string(),
})

export interface ProviderRow {
  id: string
  name: string
  issuer: string
  client_id: string
  client_secret_sealed: Buffer | null
  audience: string | null
  groups_claim: string
  role_map: Record<string, Role[]>
  default_roles: Role[]
  enforced: boolean
  just_in_time: boolean
  email_domains: string[]
  created_at: Date
  updated_at: Date
}

export async function listProviders({ db }: { db: Db }): Promise<ProviderRow[]> {
  return db<ProviderRow[]>`select * from identity_providers order by name`
}

export function describeProvider(row: ProviderRow, origin: string): z.infer<typeof Provider> {
  const { id: _id, client_secret_sealed, created_at, updated_at, ...shown } = row
  const { tenant_id: _tenant, ...facts } = shown as typeof shown & { tenant_id?: string }
  return {
    ...facts,
    has_client_secret: client_secret_sealed !== null,
    redirect_uri: redirectUri(origin),
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  }
}

export function redirectUri(origin: string): string {
  return `${origin}/v1/auth/callback`
}

/** Sets the provider `name`; answers whether it is new. */
export async function setProvider(
  name: string,
  settings: ProviderSettings,
  call: Audited & Pick<Call, 'secretBox'>,
): Promise<boolean> {
  const { db, identity } = call
  const all = await listProviders(call)
  const before = all.find((each) => each.name === name)
  checkRoom(name, settings, before, all)
  const id = before?.id ?? newId()
  const sealed = secretFor(id, settings, before, call)
  const { issuer, client_id, audience = null, groups_claim, enforced, just_in_time } = settings
  await db`
    insert into identity_providers (id, tenant_id, name, issuer, client_id, client_secret_sealed, audience, groups_claim,
      role_map, default_roles, enforced, just_in_time, email_domains)
    values (${id}, ${identity.tenant}, ${name}, ${issuer}, ${client_id}, ${sealed}, ${audience}, ${groups_claim},
      ${db.json(settings.role_map)}, ${db.json(settings.default_roles)}, ${enforced}, ${just_in_time},
      ${db.json(settings.email_domains)})
    on conflict (tenant_id, name) do update set issuer = excluded.issuer, client_id = excluded.client_id,
      client_secret_sealed = excluded.client_secret_sealed, audience = excluded.audience,
      groups_claim = excluded.groups_claim, role_map = excluded.role_map, default_roles = excluded.default_roles,
      enforced = excluded.enforced, just_in_time = excluded.just_in_time, email_domains = excluded.email_domains,
      updated_at = now()`
  const { client_secret: _secret, ...facts } = settings
  recordAudit(
    call,
    before === undefined ? 'identity_provider.added' : 'identity_provider.changed',
    name,
    facts,
  )
  return before === undefined
}

/** @throws Failure STATE_CONFLICT where another provider is the same client, QUOTA_EXCEEDED */
function checkRoom(
  name: string,
  { issuer, client_id }: ProviderSettings,
  before: ProviderRow | undefined,
  all: readonly ProviderRow[],
): void {
  const same = all.find(
    (each) => each.issuer === issuer && each.client_id === client_id && each.name !== name,
  )
  if (same !== undefined) {
    throw new Failure('STATE_CONFLICT', `Cannot set provider "${name}": "${same.name}" is the same client`, {
      suggestion: 'Change that one',
    })
  }
  if (before !== undefined || all.length < MAX_PROVIDERS) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot add provider "${name}": your tenant has ${MAX_PROVIDERS}`, {
    suggestion: 'Remove one that is not needed',
  })
}

/** A secret is kept for the same issuer only: another one could be made to receive it. */
function secretFor(
  id: string,
  { client_secret, issuer }: ProviderSettings,
  before: ProviderRow | undefined,
  { secretBox, identity }: Pick<Call, 'secretBox' | 'identity'>,
): Buffer | null {
  if (client_secret !== undefined) return secretBox.seal(identity.tenant, secretName(id), client_secret)
  return before?.issuer === issuer ? before.client_secret_sealed : null
}

/** The secret of the client; undefined where it is public, or where the caller opens none. */
export function openSecret(
  { id, client_secret_sealed: sealed }: ProviderRow,
  { secretBox, identity }: Pick<Call, 'identity'> & Partial<Pick<Call, 'secretBox'>>,
): string | undefined {
  if (sealed === null || secretBox === undefined) return undefined
  return secretBox.open(identity.tenant, secretName(id), sealed)
}

function secretName(id: string): string {
  return `identity provider ${id}`
}

/** Providers of OpenID Connect by which the people of a tenant sign in, and the codes for when they cannot. */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { CREDENTIALS_REVOKED } from '../../shared/events/credentials.ts'
import { Failure } from '../../shared/failures.ts'
import { readDestination } from '../../shared/egress/destination.ts'
import { requireFeature } from '../../shared/plans/features.ts'
import { recordAudit, type Audited } from './audit/record.ts'
import { holdPeople } from './members/rows.ts'
import { withSecrets } from './shown-once.ts'
import {
  describeProvider,
  listProviders,
  Provider,
  ProviderName,
  ProviderSettings,
  setProvider,
} from './sso/providers.ts'
import { makeCodes, type Codes } from './sso/recovery.ts'

const Named = z.strictObject({ name: ProviderName })
const ProviderAnswer = z.strictObject({ identity_provider: Provider })

export const ssoProviders = defineOperation({
  name: 'sso-providers',
  summary: 'The identity providers by which people of a tenant sign in',
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/identity-providers',
      summary: 'Identity providers of your tenant',
      permission: 'tenant:admin',
      scopes: ['identity_provider:read'],
      needs: ['postgres', 'sign-in'],
      input: z.strictObject({}),
      output: z.strictObject({ identity_providers: z.array(Provider) }),
      async handle(_input, call) {
        const { origin } = call.browser
        return { identity_providers: (await listProviders(call)).map((row) => describeProvider(row, origin)) }
      },
    }),

    set: route({
      route: 'PUT /v1/identity-providers/:name',
      summary: 'Add an identity provider (OpenID Connect), or change it',
      permission: 'tenant:admin',
      scopes: ['identity_provider:write'],
      needs: ['postgres', 'sign-in', 'secrets', 'destinations'],
      input: Named.extend(ProviderSettings.shape),
      output: ProviderAnswer,
      examples: [
        {
          summary: 'Colleagues sign in by Okta; who is in "kgents-admins" is an admin',
          input: {
            name: 'okta',
            issuer: 'https://acme.okta.com',
            client_id: '0oa1b2c3d4',
            client_secret: 'as the provider shows it',
            role_map: { 'kgents-admins': ['admin', 'developer'] },
            default_roles: ['viewer'],
            just_in_time: true,
            email_domains: ['acme.com'],
          },
        },
      ],
      writes: true,
      handle: (settings, call) => set(settings, call),
    }),

    remove: route({
      route: 'DELETE /v1/identity-providers/:name',
      summary: 'Remove an identity provider: sessions that were opened by one end',
      permission: 'tenant:admin',
      scopes: ['identity_provider:delete'],
      needs: ['postgres', 'events'],
      input: Named,
      output: z.strictObject({ removed: z.string() }),
      examples: [{ summary: 'Okta is no longer used', input: { name: 'okta' } }],
      writes: true,
      handle: ({ name }, call) => remove(name, call),
    }),

    recoveryCodes: route({
      route: 'POST /v1/auth/recovery-codes',
      summary:
        'Make recovery codes for yourself, in the place of those before; each lets you in once without the provider',
      permission: 'tenant:admin',
      scopes: ['recovery_code:write'],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: z.strictObject({
        made: z.int(),
        codes: z
          .string()
          .optional()
          .describe('Shown once, with a space between each two: absent where the answer is a repetition'),
      }),
      examples: [{ summary: 'Codes to be kept in a safe place', input: {} }],
      reveal: (kept: Codes) => withSecrets(kept),
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (_input, call) => makeCodes(call),
    }),
  },
})

type Setting = Audited & Pick<Call, 'secretBox' | 'privateOrigins' | 'browser'>

async function set({ name, ...settings }: z.infer<typeof Named> & ProviderSettings, call: Setting) {
  await requireFeature('sso', 'Cannot set an identity provider', call)
  await holdPeople('identity-providers.set', call)
  // Nothing is sent now: that it answers shows with the first sign-in.
  readDestination(settings.issuer, { allow: call.privateOrigins, privateAllowed: call.privateOrigins })
  await checkRecovery(settings, call)
  await setProvider(name, settings, call)
  return { identity_provider: describeProvider(await find(name, call), call.browser.origin) }
}

/** @throws Failure PRECONDITION_FAILED where nobody could get in without the provider */
async function checkRecovery({ enforced }: ProviderSettings, { db }: Audited): Promise<void> {
  if (!enforced) return
  const [code] = await db`select from recovery_codes where used_at is null limit 1`
  if (code !== undefined) return
  throw new Failure('PRECONDITION_FAILED', 'Cannot enforce the provider: there are no recovery codes', {
    suggestion: 'POST /v1/auth/recovery-codes makes some; keep them where you find them without the provider',
  })
}

async function find(name: string, call: Pick<Call, 'db'>) {
  const found = (await listProviders(call)).find((each) => each.name === name)
  if (found !== undefined) return found
  throw new Failure('NOT_FOUND', `Cannot find identity provider "${name}"`, {
    suggestion: 'GET /v1/identity-providers lists them',
  })
}

/** Who is whom stays known, for when the same issuer is set again. */
async function remove(name: string, call: Audited & Pick<Call, 'emit'>) {
  await holdPeople('identity-providers.remove', call)
  const { id, issuer, client_id } = await find(name, call)
  await call.db`delete from identity_providers where id = ${id}`
  await call.db`delete from browser_sessions where method = 'sso'`
  recordAudit(call, 'identity_provider.removed', name, { issuer, client_id })
  call.emit(CREDENTIALS_REVOKED, {})
  return { removed: name }
}

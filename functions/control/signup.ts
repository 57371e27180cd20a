/**
 * Sign-up: a tenant on the free plan, with whoever signs up as its first admin, and an API key that is shown this once.
 *
 * The address is not verified, since the platform sends no mail. So it proves nothing: by it nobody joins another tenant, or
 * gets anything of somebody else who has the same.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { Failure } from '../../shared/failures.ts'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import { OwnSlug } from '../../shared/tenancy/slugs.ts'
import type { Call } from '../../shared/contract/call.ts'
import { Address } from './members/rows.ts'
import { TenantName } from './tenant-name.ts'

const SignUp = z.strictObject({
  slug: OwnSlug.describe('Short name of the new tenant; stays, and no two have the same'),
  name: TenantName.describe('Name of the new tenant, as people read it'),
  email: Address.describe('Your address; nobody checks whether it is yours'),
  person: z.string().trim().min(1).max(200).describe('Your name'),
})

const SignedUp = z.strictObject({
  tenant: z.strictObject({ id: z.uuid(), slug: z.string(), name: z.string(), tier: z.literal('free') }),
  member: z.strictObject({
    id: z.uuid(),
    email: z.string(),
    name: z.string(),
    email_verified: z.literal(false),
  }),
  api_key: z.strictObject({ id: z.uuid(), prefix: z.string() }),
  key: z.string().describe('Shown this once'),
})

export const signup = defineOperation({
  name: 'signup',
  summary: 'Makes a tenant for whoever signs up',
  database: 'central',
  routes: {
    create: route({
      route: 'POST /v1/signup',
      summary: 'Sign up: a tenant on the free plan, you as its admin, and your API key',
      auth: 'none',
      perAddress: 30,
      needs: ['registration'],
      input: SignUp,
      output: SignedUp,
      examples: [
        {
          summary: 'A new customer',
          input: {
            slug: 'initrode',
            name: 'Initrode',
            email: 'ada@initrode.example',
            person: 'Ada Lovelace',
          },
        },
      ],
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => create(wanted, call),
    }),
  },
})

async function create(
  { slug, name, email, person }: z.infer<typeof SignUp>,
  { signUp, address }: Pick<Call, 'signUp' | 'address'>,
): Promise<z.infer<typeof SignedUp>> {
  const { key, prefix, hash } = createApiKey()
  const made = await signUp({ slug, name, admin: { email, name: person }, key: { prefix, hash }, address })
  if ('refused' in made) throw refusal(made.refused, slug)
  return {
    tenant: { id: made.tenant, slug, name, tier: 'free' },
    member: { id: made.user, email, name: person, email_verified: false },
    api_key: { id: made.key, prefix },
    key,
  }
}

function refusal(why: 'closed' | 'taken' | 'network_full' | 'full', slug: string): Failure {
  if (why === 'closed') {
    return new Failure(
      'AFFORDANCE_DENIED',
      'Cannot sign up: tenants of this platform are made by its operator',
      {
        suggestion: 'Ask the operator for one, or a colleague for an invitation',
      },
    )
  }
  if (why === 'taken') {
    return new Failure('STATE_CONFLICT', `Cannot make tenant "${slug}": the slug is taken`, {
      suggestion: 'Choose another slug',
    })
  }
  const [where, seconds] =
    why === 'full' ? (['everywhere', 3600] as const) : (['from your network', 86_400] as const)
  return new Failure('RATE_LIMITED', `Cannot sign up now: too many have signed up ${where}`, {
    suggestion: 'Try again later',
    retryAfterSeconds: seconds,
  })
}

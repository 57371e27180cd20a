/** The short names of tenants: which there may be, and which only the platform itself has. */
import { z } from 'zod'

/** As the database checks it as well. */
export const Slug = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9-]*$/, 'has lower-case letters, digits and dashes, a letter first')

/** Names under which somebody could pass for the platform, or that hosts and paths of it have. */
const RESERVED = new Set(
  `abuse account accounts admin administrator agentese api app apps asyncapi auth billing blog cdn concept console
   contact dashboard demo developer developers docs health help hostmaster info internal invoice invoices jobs kgents
   kubernetes legal login logos logout mail metrics nats noreply no-reply official operator operators openapi payment
   payments platform postmaster privacy public reference register root scim security self server signin sign-in signup
   sign-up sso staff static status stripe super-admin support system team tenant tenants terms test time trust void
   webhook webhooks webmaster well-known world www`
    .split(/\s+/)
    .filter((name) => name !== ''),
)

/** A slug that somebody may choose who is no operator: not reserved, three characters at least, and no dash at either end. */
export const OwnSlug = Slug.min(3, 'has three characters at least')
  .refine(
    (slug) => !slug.endsWith('-') && !slug.includes('--'),
    'has no two dashes in a row, and none at the end',
  )
  .refine((slug) => !isReservedSlug(slug), 'is reserved for the platform')

/** Whether nobody may sign up as that; operators may give it. */
function isReservedSlug(slug: string): boolean {
  return RESERVED.has(slug) || slug.startsWith('kgents-') || slug.startsWith('xn--')
}

/** Consent: what is done to a person's own by force needs that person's word, or it is refused. */
import type { Call } from '../contract/call.ts'
import { Refusal } from '../failures.ts'
import type { Invocation } from './invocation.ts'

/**
 * Lets an aspect with a `forces` effect pass where its owner acts, or has consented to exactly this path.
 *
 * @throws Refusal that says who has to consent, and how
 */
export async function checkConsent({ request, identity, input }: Invocation, call: Call): Promise<void> {
  const { path, endpoint } = request
  if (endpoint.owner === undefined || path === undefined) return
  const owner = await endpoint.owner(input, call)
  if (owner === identity?.user) return
  const granted = await call.db`
    select from consents where user_id = ${owner} and path = ${path} and (expires_at is null or expires_at > now())`
  if (granted.length > 0) return
  throw new Refusal(`Cannot run ${path}: its owner has not consented`, {
    consentRequired: owner,
    suggestion: `The owner consents by self.consent.grant with {"path": "${path}"}`,
  })
}

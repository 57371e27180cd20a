/**
 * Writes records of the audit: who did what, to whom or what, from where. Each commits with the change that it is about, or
 * not at all. What they say is for ever, so no secret belongs into them, and of people no more than it takes.
 */
import type { Call } from '../../../shared/contract/call.ts'

/** What is audited; the first part is the kind of its target. */
export const ACTIONS = [
  'api_key.created',
  'api_key.rotated',
  'api_key.revoked',
  'invitation.created',
  'invitation.resent',
  'invitation.revoked',
  'invitation.accepted',
  'member.roles_changed',
  'member.removed',
  'tenant.renamed',
  'tenant.created',
  'tenant.plan_changed',
  'tenant.overage_changed',
  'plan.made',
  'tenant.suspended',
  'tenant.resumed',
  'tenant.deleted',
  'tenant.restored',
  'tenant.erased',
  'tenant.export_requested',
  'domain.added',
  'domain.verified',
  'domain.changed',
  'domain.removed',
  'domain.lapsed',
  'member.joined_by_domain',
  'tenant.placed',
  'operator.appointed',
  'operator.dismissed',
  'credits.granted',
  'usage.recounted',
  'session.opened',
  'session.closed',
  'member.linked',
  'member.provisioned',
  'member.deactivated',
  'member.reactivated',
  'member.renamed',
  'identity_provider.added',
  'identity_provider.changed',
  'identity_provider.removed',
  'recovery_codes.made',
  'recovery_code.used',
  'device.approved',
  'device.denied',
  'subscription.changed',
  'subscription.canceled',
  'subscription.resumed',
  'checkout.opened',
  'portal.opened',
  'invoice.voided',
  'invoice.credited',
  'invoice.paid',
  'dead_letters.replayed',
  'dead_letters.discarded',
  'tenant.impersonated',
  'tenant.impersonation_ended',
] as const
export type Action = (typeof ACTIONS)[number]

/** What a record takes of the call that it is about. */
export type Audited = Pick<Call, 'db' | 'identity' | 'address'>

export function recordAudit(
  call: Audited,
  action: Action,
  target: string,
  details: Record<string, unknown> = {},
): void {
  const { db, identity } = call
  db.send(
    db`select record_audit(${identity.user}, ${db.json(actorFacts(call))}, ${action}, ${target}, ${db.json(details)})`,
  )
}

/** How the actor was known, and from where it called. */
export function actorFacts({
  identity,
  address,
}: Pick<Call, 'identity' | 'address'>): Record<string, unknown> {
  return {
    roles: identity.roles,
    ...(identity.key === undefined ? {} : { key: identity.key.id }),
    ...(identity.session === undefined ? {} : { session: identity.session.id }),
    ...(address === undefined ? {} : { address }),
    // The user is no person of the tenant then.
    ...(identity.impersonation === undefined
      ? {}
      : { operator: true, impersonation: identity.impersonation.id }),
  }
}

/**
 * Notices that credentials of a tenant were revoked, so that its open streams are checked again at once. What is revoked is
 * for the functions to say: a message is a hint and no more, so a forged one costs a few calls.
 *
 * A hint that is lost with NATS does no harm: nothing is streamed then, and each stream is checked now and then anyway.
 */
import type { Msg } from 'nats'
import { fromNats } from '../../shared/nats/event-message.ts'
import type { NatsLink } from '../../shared/nats/link.ts'
import { CREDENTIALS_REVOKED, CredentialsRevoked } from '../../shared/events/credentials.ts'
import { eventSubject } from '../../shared/nats/subjects.ts'

/** Of every tenant. */
const REVOKED_SUBJECT = eventSubject('*', CREDENTIALS_REVOKED)

/** A little longer than functions believe what they have read of a credential. */
const DELAY_MS = 3200

export interface Revocations {
  /** Calls back when a credential of the tenant may have ended; returns what stops that. */
  watch(tenant: string, check: () => void): () => void
}

export function createRevocations(link: NatsLink, delayMs = DELAY_MS): Revocations {
  const checks = new Map<string, Set<() => void>>()
  link.subscribe(REVOKED_SUBJECT, (error, message) => {
    if (error !== null) return
    const tenant = tenantIn(message)
    if (!checks.has(tenant)) return
    setTimeout(() => {
      for (const check of checks.get(tenant) ?? []) check()
    }, delayMs).unref()
  })
  return {
    watch(tenant, check) {
      const ofTenant = checks.get(tenant) ?? new Set()
      checks.set(tenant, ofTenant)
      ofTenant.add(check)
      return () => {
        ofTenant.delete(check)
        if (ofTenant.size === 0 && checks.get(tenant) === ofTenant) checks.delete(tenant)
      }
    },
  }
}

/** An operator's event is its own tenant's, and names the one that it is about. */
function tenantIn(message: Msg): string {
  const own = message.subject.split('.')[1] ?? ''
  try {
    return CredentialsRevoked.parse(fromNats(message).data).tenant ?? own
  } catch {
    return own
  }
}

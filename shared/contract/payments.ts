/** The payment provider (Stripe), as functions see it. Without its keys everything runs but payments. */
import type Stripe from 'stripe'

/** What becomes of a delivery of the provider, as it is counted. */
export type WebhookOutcome = 'received' | 'processed' | 'skipped' | 'errors'

export interface Payments {
  /** Whether payments can be asked for. */
  readonly hasProvider: boolean
  /** Whether the provider's events can be believed. */
  readonly hasWebhookSecret: boolean
  /** Whether the provider computes taxes. */
  readonly automaticTax: boolean
  /** Where people come back to from the provider's pages. */
  readonly consoleUrl: string
  /**
   * Runs `work` with the provider's client, whose requests go through the same fence as those to tenants' addresses.
   *
   * @throws Failure PRECONDITION_FAILED that names the variables that are missing, UPSTREAM_FAILED where the provider does not
   *   answer or refuses
   */
  ask<T>(work: (client: Stripe) => Promise<T>): Promise<T>
  /**
   * A delivery, as the provider signed it.
   *
   * @throws Failure EVENT_SYNTAX where it is not signed by the provider, or too old; INTERNAL without a secret
   */
  readDelivery(payload: string, signature: string): Promise<Stripe.Event>
  /** Whose customer of the provider this is. */
  tenantOf(customer: string): Promise<string | undefined>
  /** Counts what became of a delivery; written in the background. */
  count(outcome: WebhookOutcome): void
  /** All that were counted, by all processes. */
  counts(): Promise<Record<WebhookOutcome, number>>
}

/**
 * What stands in for services of others in the browser: an identity provider at which somebody signs in, and a payment provider at
 * which a checkout is paid. Undefined where the platform under test has no such operations.
 */
import type { Page } from 'playwright-core'

export interface StandIns {
  /** The settings of the provider, for `PUT /v1/identity-providers/:name`, and what a person does on its page. */
  provider?: { settings: Record<string, unknown>; signIn(page: Page, email: string): Promise<void> }
  /** Pays a checkout, and sends the platform the signed events of it. */
  payments?: { pay(checkoutUrl: string): Promise<void> }
}

export const standIns: StandIns = {}

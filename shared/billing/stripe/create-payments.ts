/** Makes what functions have of the payment provider, from the configuration. */
import type { Sql } from 'postgres'
import type Stripe from 'stripe'
import type { Payments, WebhookOutcome } from '../../contract/payments.ts'
import { asFailure } from '../../database/database.ts'
import { Failure } from '../../failures.ts'
import type { Log } from '../../telemetry/log.ts'
import type { FencedFetch } from './fenced-fetch.ts'

export interface PaymentSettings {
  STRIPE_API_KEY?: string | undefined
  STRIPE_WEBHOOK_SECRET?: string | undefined
  STRIPE_API_URL: string
  STRIPE_AUTOMATIC_TAX: 'on' | 'off'
  CONSOLE_URL: string
}

/** How old a delivery may be by its signature, so that nobody keeps one to send it again. */
const TOLERANCE_SECONDS = 300
const TIMEOUT_MS = 10_000
const RETRIES = 2
/** Counts are written together, and at most this often. */
const FLUSH_MS = 1000

/** @param fetch sends requests of the provider's client */
export function createPayments(settings: PaymentSettings, sql: Sql, log: Log, fetch: FencedFetch): Payments {
  const { STRIPE_API_KEY: key, STRIPE_WEBHOOK_SECRET: secret } = settings
  let made: Promise<Stripe> | undefined
  return {
    hasProvider: key !== undefined,
    hasWebhookSecret: secret !== undefined,
    automaticTax: settings.STRIPE_AUTOMATIC_TAX === 'on',
    consoleUrl: settings.CONSOLE_URL,
    async ask(work) {
      if (key === undefined) throw notConfigured()
      made ??= createClient(key, settings.STRIPE_API_URL, fetch)
      return work(await made).catch((error: unknown) => {
        throw asProviderFailure(error, log)
      })
    },
    readDelivery: (payload, signature) => readDelivery(payload, signature, secret),
    async tenantOf(customer) {
      const [row] = await sql<{ tenant: string | null }[]>`
        select tenant_of_stripe_customer(${customer}) as tenant`.catch((error: unknown) => {
        throw asFailure(error)
      })
      return row?.tenant ?? undefined
    },
    count: createCounter(sql),
    async counts() {
      const rows = await sql<
        { outcome: WebhookOutcome; count: string }[]
      >`select * from stripe_webhook_counts()`
      const none = { received: 0, processed: 0, skipped: 0, errors: 0 }
      return { ...none, ...Object.fromEntries(rows.map(({ outcome, count }) => [outcome, Number(count)])) }
    },
  }
}

function notConfigured(): Failure {
  return new Failure('PRECONDITION_FAILED', 'Cannot take payments: STRIPE_API_KEY is not set', {
    suggestion:
      'The operator of this platform sets STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET; invoices are paid by bank transfer until then',
    details: { missing: ['STRIPE_API_KEY'] },
  })
}

/** An error of the provider's client; what the provider says of it is for the log, since it may name what is not the tenant's. */
function asProviderFailure(error: unknown, log: Log): unknown {
  const { type, message, requestId } = (error ?? {}) as {
    type?: unknown
    message?: string
    requestId?: string
  }
  if (typeof type !== 'string' || !type.startsWith('Stripe')) return error
  log.warn({ type, message, request: requestId }, 'the payment provider refuses, or does not answer')
  return new Failure(
    'UPSTREAM_FAILED',
    'Cannot reach an agreement with the payment provider: it does not answer, or refuses',
    {
      retryAfterSeconds: 10,
      cause: error,
    },
  )
}

/** Loaded when it is used: most calls of billing ask the provider nothing. */
async function createClient(key: string, url: string, fetch: FencedFetch): Promise<Stripe> {
  const { default: Client } = await import('stripe')
  const { hostname, port, protocol } = new URL(url)
  return new Client(key, {
    host: hostname,
    ...(port === '' ? {} : { port }),
    protocol: protocol === 'http:' ? 'http' : 'https',
    httpClient: Client.createFetchHttpClient(fetch),
    maxNetworkRetries: RETRIES,
    timeout: TIMEOUT_MS,
    telemetry: false,
  })
}

async function readDelivery(payload: string, signature: string, secret?: string): Promise<Stripe.Event> {
  if (secret === undefined) {
    throw new Failure(
      'INTERNAL',
      'Cannot take events of the payment provider: STRIPE_WEBHOOK_SECRET is not set',
      {
        details: { missing: ['STRIPE_WEBHOOK_SECRET'] },
      },
    )
  }
  const { default: Client } = await import('stripe')
  try {
    return await Client.webhooks.constructEventAsync(payload, signature, secret, TOLERANCE_SECONDS)
  } catch (cause) {
    // What was wrong with it is for no stranger to know.
    throw new Failure(
      'EVENT_SYNTAX',
      'Cannot take the event: it is not signed by the payment provider, or too old',
      {
        suggestion: 'Send the body as it was signed, with Stripe-Signature, within five minutes',
        cause,
      },
    )
  }
}

/** Counts in memory, and writes what was counted in the background: a flood of forged deliveries writes once a second. */
function createCounter(sql: Sql): Payments['count'] {
  let counts: Partial<Record<WebhookOutcome, number>> = {}
  let timer: NodeJS.Timeout | undefined
  return (outcome) => {
    counts[outcome] = (counts[outcome] ?? 0) + 1
    timer ??= setTimeout(() => {
      const written = counts
      counts = {}
      timer = undefined
      // What is lost with an unavailable database is a count, and nothing else.
      sql`select count_stripe_webhooks(${sql.json(written)})`.catch(() => {})
    }, FLUSH_MS).unref()
  }
}

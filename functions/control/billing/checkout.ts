/** Pages of the payment provider, for the tenant's own customer there. */
import type Stripe from 'stripe'
import { considerBilling } from '../../../shared/billing/billing.ts'
import { markOf, recurringOf } from '../../../shared/billing/stripe/requests.ts'
import { TAGS } from '../../../shared/billing/stripe/objects.ts'
import { priceOfPack } from '../../../shared/billing/stripe/packs.ts'
import { planChange, type Planned } from '../../../shared/billing/subscriptions/change.ts'
import type { Term } from '../../../shared/billing/plans.ts'
import { addDays } from '../../../shared/billing/subscriptions/states.ts'
import type { Given } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Tier } from '../../../shared/plans/tiers.ts'
import { recordAudit } from '../audit/record.ts'

type Opening = Given<'postgres' | 'payments', 'caller' | 'writes'>

interface Wanted {
  plan?: Tier | undefined
  term: Term
  credits?: number | undefined
}

/** @throws Failure PRECONDITION_FAILED that names what is missing, STATE_CONFLICT where a card pays already */
export function openCheckout(wanted: Wanted, call: Opening): Promise<{ url: string }> {
  return call.payments.ask((client) => checkOut(client, wanted, call))
}

async function checkOut(client: Stripe, wanted: Wanted, call: Opening): Promise<{ url: string }> {
  const { plan, term } = wanted
  const what = plan === undefined ? packOf(wanted, call) : await planOf({ plan, term }, call)
  const customer = await customerOf(client, call)
  const { consoleUrl, automaticTax } = call.payments
  const session = await client.checkout.sessions.create({
    ...what,
    customer,
    client_reference_id: call.identity.tenant,
    success_url: `${consoleUrl}#/billing`,
    cancel_url: `${consoleUrl}#/billing`,
    automatic_tax: { enabled: automaticTax },
    ...(automaticTax ? { customer_update: { address: 'auto' } } : {}),
  })
  await audit(
    call,
    'checkout.opened',
    session.id,
    plan === undefined ? { credits: wanted.credits } : { plan, term },
  )
  return { url: urlOf(session) }
}

/** @throws Failure PRECONDITION_FAILED that names what is missing */
export function openPortal(call: Opening): Promise<{ url: string }> {
  const { payments } = call
  return payments.ask(async (client) => {
    const customer = await customerOf(client, call)
    const session = await client.billingPortal.sessions.create({
      customer,
      return_url: `${payments.consoleUrl}#/billing`,
    })
    await audit(call, 'portal.opened', customer, {})
    return { url: urlOf(session) }
  })
}

function urlOf({ url }: { url: string | null }): string {
  if (url !== null) return url
  throw new Failure('UPSTREAM_FAILED', 'Cannot open the page of the payment provider: it has no address')
}

type What = Pick<
  Stripe.Checkout.SessionCreateParams,
  'mode' | 'line_items' | 'subscription_data' | 'payment_intent_data'
>

function packOf({ credits = 0 }: Wanted, { identity }: Opening): What {
  const cents = priceOfPack(credits)
  if (cents === undefined)
    throw new Failure('TYPE_MISMATCH', `Cannot buy ${credits} credits: there is no such pack`)
  const price = { currency: 'usd', unit_amount: cents, product_data: { name: `${credits} credits` } }
  return {
    mode: 'payment',
    line_items: [{ quantity: 1, price_data: price }],
    payment_intent_data: { metadata: { [TAGS.tenant]: identity.tenant, [TAGS.credits]: String(credits) } },
  }
}

async function planOf(wanted: { plan: Tier; term: Term }, call: Opening): Promise<What> {
  const { payments, transact, identity } = call
  const { hasProvider } = payments
  const planned = await transact('read', (inner) =>
    planChange(considerBilling(inner, { now: new Date(), hasProvider }), wanted, 'checkout'),
  )
  if ('row' in planned && (planned.row.stripe_id !== null || planned.row.month >= 0)) {
    throw new Failure('STATE_CONFLICT', 'Cannot buy a second subscription: you have one already', {
      suggestion: 'POST /v1/billing/subscription changes its plan',
    })
  }
  const { plan, term, cents } = planned
  const price = {
    currency: 'usd',
    unit_amount: cents,
    recurring: recurringOf(term),
    product_data: { name: `kgents ${plan.name}` },
  }
  return {
    mode: 'subscription',
    line_items: [{ quantity: 1, price_data: price }],
    subscription_data: { metadata: markOf(identity.tenant, plan, term), ...trialOf(planned) },
  }
}

/** Stripe takes no trial that ends sooner. */
const SHORTEST_TRIAL_DAYS = 2

/** The trial that a tenant still has: all of it, or what is left. */
function trialOf(planned: Planned): Pick<Stripe.Checkout.SessionCreateParams.SubscriptionData, 'trial_end'> {
  const end = planned.kind === 'trial' ? planned.trialEnd : 'row' in planned ? planned.row.trial_end : null
  if (end === null || end <= addDays(new Date(), SHORTEST_TRIAL_DAYS)) return {}
  return { trial_end: Math.floor(end.getTime() / 1000) }
}

/** The tenant's customer at the provider; made where there is none yet, and once, however many ask at once. */
async function customerOf(client: Stripe, { identity, transact }: Opening): Promise<string> {
  const { tenant } = identity
  const known = await transact('read', async ({ db }) => {
    const rows = await db<{ id: string; deleted: boolean }[]>`
      select id, deleted_at is not null as deleted from stripe_customers order by created_at`
    const [row] = await db<{ name: string; email: string | null }[]>`
      select t.name, (select u.email from users u where u.id = ${identity.user}) as email from tenants t`
    return { rows, name: row?.name ?? '', email: row?.email }
  })
  const live = known.rows.find(({ deleted }) => !deleted)
  if (live !== undefined) return live.id
  const { id } = await client.customers.create(
    {
      name: known.name,
      ...(known.email == null ? {} : { email: known.email }),
      metadata: { [TAGS.tenant]: tenant },
    },
    { idempotencyKey: `${tenant}:customer:${known.rows.length}` },
  )
  await transact(
    'write',
    ({ db }) => db`
      insert into stripe_customers (id, tenant_id, email) values (${id}, ${tenant}, ${known.email ?? null})
      on conflict do nothing`,
  )
  return id
}

async function audit(
  { transact }: Opening,
  action: 'checkout.opened' | 'portal.opened',
  target: string,
  details: Record<string, unknown>,
): Promise<void> {
  await transact('write', async (inner) => recordAudit(inner, action, target, details))
}

/**
 * A stand-in for Stripe, after the shapes that its API reference publishes: customers, checkout, subscriptions, invoices, payments, the
 * portal. It keeps objects and idempotency keys, moves when a test says so, and signs events as Stripe does.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Stripe } from 'stripe'

// oxlint-disable-next-line typescript/no-explicit-any -- reason: objects of Stripe have members of all kinds
export type StripeObject = Record<string, any>

export const WEBHOOK_SECRET = 'whsec_test'

export class FakeStripe {
  readonly objects = new Map<string, StripeObject>()
  readonly #answers = new Map<string, StripeObject>()
  /** Requests that were answered, as `POST /v1/customers`. */
  readonly requests: string[] = []
  /** Called before each answer: what it throws is an answer of 500. */
  before: (request: string) => void | Promise<void> = () => {}
  /** The origin of its pages. */
  pagesAt = 'https://stripe.example'
  readonly #server = createServer((request, response) => {
    void this.#answer(request).then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_1' })
      response.end(JSON.stringify(body))
    })
  })

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  get(id: string): StripeObject {
    const found = this.objects.get(id)
    if (found === undefined) throw new Error(`Stripe has no ${id}`)
    return found
  }

  /** What somebody does on the page of a checkout: pays. Answers the events that Stripe sends then. */
  pays(sessionUrl: string): StripeObject[] {
    const session = this.get(new URL(sessionUrl).pathname.slice(1))
    session['status'] = 'complete'
    return session['mode'] === 'payment' ? this.#paysOnce(session) : this.#subscribes(session)
  }

  #paysOnce(session: StripeObject): StripeObject[] {
    const amount = session['line_items'][0].price_data.unit_amount
    const intent = this.#keep('pi', {
      object: 'payment_intent',
      customer: session['customer'],
      status: 'succeeded',
      currency: 'usd',
      amount,
      amount_received: amount,
      metadata: session['payment_intent_data'].metadata,
    })
    session['payment_intent'] = intent['id']
    return [this.event('checkout.session.completed', session), this.event('payment_intent.succeeded', intent)]
  }

  #subscribes(session: StripeObject): StripeObject[] {
    const { trial_end = null, metadata } = session['subscription_data']
    const now = seconds()
    const subscription = this.#keep('sub', {
      object: 'subscription',
      customer: session['customer'],
      status: trial_end === null ? 'active' : 'trialing',
      cancel_at_period_end: false,
      billing_cycle_anchor: trial_end ?? now,
      created: now,
      trial_end,
      ended_at: null,
      metadata,
      items: { object: 'list', data: [this.#item(session['line_items'][0].price_data)] },
    })
    session['subscription'] = subscription['id']
    const events = [
      this.event('checkout.session.completed', session),
      this.event('customer.subscription.created', subscription),
    ]
    return trial_end === null
      ? [...events, this.event('invoice.paid', this.charges(subscription['id']))]
      : events
  }

  #item(price: StripeObject): StripeObject {
    return {
      id: `si_${randomUUID()}`,
      object: 'subscription_item',
      price: { id: `price_${randomUUID()}`, object: 'price', product: 'prod_1', ...price },
    }
  }

  /** The invoice of a subscription for its term, paid or not. */
  charges(id: string, paid = true): StripeObject {
    const subscription = this.get(id)
    const amount = subscription['items'].data[0].price.unit_amount
    return this.#keep('in', {
      object: 'invoice',
      customer: subscription['customer'],
      status: paid ? 'paid' : 'open',
      currency: 'usd',
      amount_paid: paid ? amount : 0,
      total: amount,
      total_excluding_tax: amount,
      attempt_count: 1,
      metadata: {},
      parent: { type: 'subscription_details', subscription_details: { subscription: id } },
    })
  }

  /** A trial that its owner ends, to be charged at once. Answers the events that Stripe sends then: none where there is no trial. */
  endsTrial(id: string): StripeObject[] {
    if (this.objects.get(id)?.['status'] !== 'trialing') return []
    const now = seconds()
    this.changes(id, { status: 'active', trial_end: now, billing_cycle_anchor: now })
    return [
      this.event('customer.subscription.updated', this.get(id)),
      this.event('invoice.paid', this.charges(id)),
    ]
  }

  /** Changes an object, as its owner does on a page of Stripe. */
  changes(id: string, patch: StripeObject): StripeObject {
    return Object.assign(this.get(id), patch)
  }

  /** An event with the object as it is now. */
  event(type: string, object: StripeObject): StripeObject {
    return {
      id: `evt_${randomUUID()}`,
      object: 'event',
      api_version: Stripe.API_VERSION,
      created: seconds(),
      type,
      livemode: false,
      data: { object: structuredClone(object) },
    }
  }

  #keep(prefix: string, members: StripeObject): StripeObject {
    const made = { id: `${prefix}_${randomUUID()}`, created: seconds(), ...members }
    this.objects.set(made.id, made)
    return made
  }

  async #answer(request: IncomingMessage): Promise<[status: number, body: StripeObject]> {
    const { method = 'GET', url = '/', headers } = request
    const text = await bodyOf(request)
    const key = headers['idempotency-key']
    const [path = '', query = ''] = url.split('?')
    try {
      await this.before(`${method} ${path}`)
      if (headers['authorization'] !== 'Bearer sk_test_1') return [401, problem('Invalid API Key provided')]
      const known = typeof key === 'string' ? this.#answers.get(key) : undefined
      if (known !== undefined) return [200, known]
      const answer = this.#serve(method, path, readForm(text === '' ? query : text))
      this.requests.push(`${method} ${path}`)
      if (typeof key === 'string') this.#answers.set(key, structuredClone(answer))
      return [200, answer]
    } catch (error) {
      const { message } = error as Error
      return [message.startsWith('Stripe has no') ? 404 : 500, problem(message)]
    }
  }

  #serve(method: string, path: string, form: StripeObject): StripeObject {
    const [, , kind = '', id = '', act = ''] = path.split('/')
    if (method === 'GET') return this.get(kind === 'checkout' ? act : id)
    if (path === '/v1/checkout/sessions') return this.#page('cs', { object: 'checkout.session', ...form })
    if (path === '/v1/billing_portal/sessions')
      return this.#page('bps', { object: 'billing_portal.session', ...form })
    if (path === '/v1/customers') return this.#keep('cus', { object: 'customer', ...form })
    if (path === '/v1/invoiceitems') return this.#addItem(form)
    if (path === '/v1/invoices')
      return this.#keep('in', {
        object: 'invoice',
        status: 'draft',
        total: 0,
        amount_paid: 0,
        total_excluding_tax: 0,
        attempt_count: 0,
        parent: null,
        ...form,
      })
    if (kind === 'invoices' && act === 'finalize') return this.changes(id, { status: 'open' })
    if (kind === 'subscriptions') return this.#update(id, form)
    throw new Error(`Stripe has no ${path}`)
  }

  #page(prefix: string, members: StripeObject): StripeObject {
    const made = this.#keep(prefix, members)
    return Object.assign(made, { url: `${this.pagesAt}/${made['id']}` })
  }

  #addItem(form: StripeObject): StripeObject {
    const invoice = this.get(form['invoice'])
    if (invoice['status'] !== 'draft') throw new Error('This invoice is no longer editable')
    invoice['total'] += form['amount']
    invoice['total_excluding_tax'] += form['amount']
    return this.#keep('ii', { object: 'invoiceitem', ...form })
  }

  #update(id: string, { items, ...form }: StripeObject): StripeObject {
    const subscription = this.get(id)
    if (items !== undefined) subscription['items'].data = [this.#item(items[0].price_data)]
    const metadata = { ...subscription['metadata'], ...form['metadata'] }
    return Object.assign(subscription, form, { metadata })
  }
}

/** A delivery as Stripe signs it. */
export function signed(event: StripeObject, { secret = WEBHOOK_SECRET, ageSeconds = 0 } = {}) {
  const payload = JSON.stringify(event)
  const timestamp = seconds() - ageSeconds
  const header = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp })
  return { payload, headers: { 'content-type': 'application/json', 'stripe-signature': header } }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** `a[b][0][c]=1` as an object; what looks like a number or a boolean is one. */
function readForm(text: string): StripeObject {
  const root: StripeObject = {}
  for (const [name, value] of new URLSearchParams(text)) {
    const path = name.split(/[[\]]+/).filter((part) => part !== '')
    const last = path.pop() ?? ''
    let at = root
    for (const part of path) at = at[part] ??= {}
    at[last] = path.at(-1) === 'metadata' ? value : plain(value)
  }
  return listsIn(root) as StripeObject
}

function plain(value: string): unknown {
  if (/^\d{1,15}$/.test(value)) return Number(value)
  return value === 'true' || value === 'false' ? value === 'true' : value
}

function listsIn(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, member]) => [name, listsIn(member)] as const)
  const isList = entries.length > 0 && entries.every(([name], at) => name === String(at))
  return isList ? entries.map(([, member]) => member) : Object.fromEntries(entries)
}

function problem(message: string): StripeObject {
  return { error: { type: 'invalid_request_error', message } }
}

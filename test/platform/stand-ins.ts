/**
 * What stands in for services of others, in the process that starts the platform: an identity provider at which somebody signs in
 * by a page, and a payment provider whose page is paid on.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openRealProvider } from '../identity-provider.ts'
import { FakeStripe, signed, WEBHOOK_SECRET } from '../servers/functions/fake-stripe.ts'

const CLIENT = 'console'

export interface StandIns {
  /** Settings of the platform that make it use them. */
  env: Record<string, string>
  /** Origins on this machine that the platform may reach. */
  origins: string[]
  /** The settings of the provider, for `PUT /v1/identity-providers/:name`. */
  provider: Record<string, unknown>
  close(): void
}

/** @param platform the origin of the platform that will use them */
export async function openStandIns(platform: string): Promise<StandIns> {
  const provider = await openRealProvider([CLIENT], `${platform}/v1/auth/callback`, { asks: true })
  const stripe = new FakeStripe()
  const api = await stripe.listen()
  const pages = await openCheckouts(stripe, platform)
  return {
    env: {
      STRIPE_API_URL: api,
      STRIPE_API_KEY: 'sk_test_1',
      STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
      CONSOLE_URL: `${platform}/console`,
    },
    origins: [provider.issuer],
    provider: {
      issuer: provider.issuer,
      client_id: CLIENT,
      client_secret: `${CLIENT}-secret`,
      just_in_time: true,
      default_roles: ['viewer'],
    },
    close() {
      for (const each of [provider, stripe]) each.close()
      pages.close()
      pages.closeAllConnections()
    },
  }
}

/** Pages of checkouts: a button pays, which sends the platform the signed events, and leads back to where the customer came from. */
async function openCheckouts(stripe: FakeStripe, platform: string): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', stripe.pagesAt)
    if (request.method === 'GET') {
      response.setHeader('content-type', 'text/html')
      response.end('<form method="post"><button>Pay</button></form>')
      return
    }
    void payAt(stripe, url, platform).then((back) => {
      response.writeHead(303, { location: back })
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stripe.pagesAt = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // reason: it listens on a port
  return server
}

/** @returns where the browser goes then */
async function payAt(stripe: FakeStripe, url: URL, platform: string): Promise<string> {
  const session = stripe.get(url.pathname.slice(1))
  for (const event of [...stripe.pays(url.href), ...stripe.endsTrial(session['subscription'])]) {
    const { payload, headers } = signed(event)
    const answer = await fetch(`${platform}/webhooks/stripe`, { method: 'POST', headers, body: payload })
    if (!answer.ok) throw new Error(`An event was refused: ${await answer.text()}`)
  }
  return session['success_url']
}

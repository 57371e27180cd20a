/** Identity providers of the tests: a real one on this machine, and one that answers whatever a test wants it to. */
import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose'
import { Provider } from 'oidc-provider'

export interface Account {
  sub: string
  email?: string
  email_verified?: unknown
  name?: string
  groups?: string[]
}

export interface RealProvider {
  issuer: string
  /** Who is signed in at the provider when the next browser comes. */
  signedIn: Account
  /** Follows the redirects of a browser at the provider, from its authorization URL to where it sends the browser back. */
  visit(url: string): Promise<string>
  close(): void
}

/**
 * `oidc-provider` with one client for each of `clients`, whose secret is its name and "-secret".
 *
 * @param options `asks` shows a page where a person says who it is; without it, that is `signedIn`
 */
export async function openRealProvider(
  clients: readonly string[],
  redirectUri: string,
  { asks = false } = {},
): Promise<RealProvider> {
  const server = await listen()
  const issuer = originOf(server)
  const state = { signedIn: { sub: 'nobody' } as Account }
  const accounts = new Map<string, Account>()
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const provider = new Provider(issuer, {
    clients: clients.map((name) => ({
      client_id: name,
      client_secret: `${name}-secret`,
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    })),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', kid: 'real', use: 'sig' }] },
    cookies: { keys: ['of the tests'] },
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    ttl: { Interaction: 60, Grant: 60, Session: 60, AccessToken: 60, IdToken: 60 },
    features: { devInteractions: { enabled: false } },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ ...accounts.get(id), sub: id }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
  })
  const handle = provider.callback()
  const signIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { params } = await provider.interactionDetails(request, response)
    const signedIn = asks ? accountOf(await text(request)) : state.signedIn
    accounts.set(signedIn.sub, signedIn)
    const grant = new provider.Grant({ accountId: signedIn.sub, clientId: String(params['client_id']) })
    grant.addOIDCScope('openid email profile')
    const consent = { grantId: await grant.save() }
    await provider.interactionFinished(request, response, { login: { accountId: signedIn.sub }, consent })
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const isInteraction = request.url?.startsWith('/interaction/') === true
    if (isInteraction && asks && request.method === 'GET') response.end(SIGN_IN_PAGE)
    else void (isInteraction ? signIn : handle)(request, response)
  })
  return Object.assign(state, { issuer, visit: visitWith(issuer), close: () => closeNow(server) })
}

const SIGN_IN_PAGE = `<!doctype html><form method="post">
  <label>Address <input name="email" type="email"></label> <button>Sign in</button>
</form>`

function accountOf(form: string): Account {
  const email = new URLSearchParams(form).get('email') ?? ''
  return { sub: email, email, email_verified: true, name: email.split('@', 1)[0] ?? '' }
}

/** Each visit is that of a browser which the provider has not seen before. */
function visitWith(issuer: string) {
  return async (start: string): Promise<string> => {
    const cookies = new Map<string, string>()
    for (let url = start; ;) {
      if (!url.startsWith(issuer)) return url
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
      for (const text of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
        cookies.set(name, value)
      }
      const location = response.headers.get('location')
      if (location === null)
        throw new Error(`The provider answered ${response.status}: ${await response.text()}`)
      url = new URL(location, url).href
    }
  }
}

export interface LyingProvider {
  issuer: string
  /** Members of its configuration that differ. */
  configuration: Record<string, unknown>
  /** What it answers at its token endpoint. */
  tokens: Record<string, unknown>
  /** Claims of a token that is good, for `client`. */
  claims(client: string, claims?: JWTPayload): JWTPayload
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>
  /** A token that says it needs no signature. */
  unsigned(claims: JWTPayload): string
  /** A token that was signed with the public key as if it were a secret. */
  signedWithPublicKey(claims: JWTPayload): string
  /** Signs with another key from now on, under another name. */
  rotate(): Promise<void>
  /** Requests that it got, by path. */
  requests: string[]
  close(): void
}

/** A provider that says what it is made to say. */
export async function openLyingProvider(): Promise<LyingProvider> {
  const server = await listen()
  const issuer = originOf(server)
  let key = await newKey('first')
  const lying: LyingProvider = {
    issuer,
    configuration: {},
    tokens: {},
    requests: [],
    claims: (client, claims = {}) => {
      const now = Math.floor(Date.now() / 1000)
      return { iss: issuer, aud: client, sub: 'subject', iat: now, exp: now + 300, ...claims }
    },
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: key.kid, ...header }).sign(key.private),
    unsigned: (claims) => `${encode({ alg: 'none' })}.${encode(claims)}.`,
    signedWithPublicKey(claims) {
      const signed = `${encode({ alg: 'HS256', kid: key.kid })}.${encode(claims)}`
      const secret = JSON.stringify(key.public)
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
    },
    rotate: async () => void (key = await newKey('second')),
    close: () => closeNow(server),
  }
  const answers: Record<string, () => unknown> = {
    '/.well-known/openid-configuration': () => ({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      ...lying.configuration,
    }),
    '/keys': () => ({ keys: [key.public] }),
    '/token': () => ({ access_token: 'a', token_type: 'Bearer', ...lying.tokens }),
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? '/', issuer)
    lying.requests.push(pathname)
    const answer = answers[pathname]?.()
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer ?? {}))
  })
  return lying
}

async function newKey(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const shown: JWK = { ...(await exportJWK(publicKey)), alg: 'ES256', kid, use: 'sig' }
  return { kid, private: privateKey, public: shown }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

async function listen(): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return server
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // reason: it listens on a port
}

function closeNow(server: Server): void {
  server.close()
  server.closeAllConnections()
}

/** Keys, tokens and requests for the functions that are measured without a platform around them. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publicSetOf } from '../../knative/keys.ts'
import { loadSecrets } from '../../knative/local/secrets.ts'
import { DISPATCH_ISSUER } from '../../shared/http/dispatch.ts'
import type { StoredIdentity } from '../../shared/identity/identity.ts'
import { permissionsOf } from '../../shared/identity/permissions.ts'
import { createSigner } from '../../shared/identity/tokens.ts'
import { newId } from '../../shared/new-id.ts'
import type { HttpRequest } from './http-request.ts'

const LIFETIME_SECONDS = 3600

export interface Fixture {
  /** Environment of a function process; the database in it is never asked. */
  env: Record<string, string>
  /** A call as `logos` sends it to the function `audience`, by a tenant of its own. */
  dispatchedCall(audience: string, path: string, input: unknown): Promise<HttpRequest>
  /** The headers of a client's own call; by a tenant of its own where none is given. */
  clientHeaders(caller?: StoredIdentity): Promise<Record<string, string>>
}

export async function createFixture(): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'kgents-bench-'))
  const secrets = await loadSecrets(folder)
  await rm(folder, { recursive: true })
  const signDispatch = createSigner({ key: secrets.dispatchKey, issuer: DISPATCH_ISSUER })
  const signPlatform = createSigner({ key: secrets.platformKey, issuer: 'https://auth.kgents.io' })
  return {
    env: {
      LOG_LEVEL: 'warn',
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      EVENT_SIGNING_KEY: secrets.eventKey,
      PLATFORM_JWKS: publicSetOf(secrets.platformKey),
      DISPATCH_JWKS: publicSetOf(secrets.dispatchKey),
      DISPATCH_SIGNING_KEY: JSON.stringify(secrets.dispatchKey),
    },
    async dispatchedCall(audience, path, input) {
      const token = await signDispatch(newCaller(), audience, LIFETIME_SECONDS)
      return {
        method: 'POST',
        path: '/',
        headers: eventHeaders(token),
        body: JSON.stringify({ path, input }),
      }
    },
    async clientHeaders(caller = newCaller()) {
      const token = await signPlatform(caller, 'https://api.kgents.io', LIFETIME_SECONDS)
      return { authorization: `Bearer ${token}` }
    },
  }
}

/** Somebody whom no database knows, unless it is given. */
export function newCaller(tenant = randomUUID(), user = randomUUID()): StoredIdentity {
  return {
    tenant,
    tier: 'enterprise',
    user,
    roles: ['developer'],
    permissions: permissionsOf(['developer']),
  }
}

function eventHeaders(token: string): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': newId(),
    'ce-source': '/functions/logos',
    'ce-type': 'io.kgents.agentese.invoke',
    'ce-time': new Date().toISOString(),
    'ce-tenantid': randomUUID(),
  }
}

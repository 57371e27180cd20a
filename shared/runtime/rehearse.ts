/**
 * Starts a function without serving it, before a snapshot is taken: the snapshot then holds what V8 has compiled for that, and
 * no start compiles it again.
 */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { readConfig } from '../config.ts'
import type { Loaders } from '../contract/catalog.ts'
import { inputSchemaOf, outputSchemaOf } from '../contract/schemas.ts'
import { createApp } from '../http/app.ts'
import type { Log } from '../telemetry/log.ts'
import { createVerifier } from '../identity/tokens.ts'
import { FunctionConfig } from './config.ts'
import { openRuntime } from './create-runtime.ts'

/** Not let go: what waits for its end may not end before the snapshot is taken. */
const logs: Log[] = []

/** Starts `name`, and checks a token; all of it is forgotten again. */
export async function rehearse(name: string, loaders: Loaders): Promise<void> {
  const config = readConfig(FunctionConfig, {
    FUNCTION: name,
    LOG_LEVEL: 'silent',
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    PLATFORM_JWKS: '{"keys":[]}',
    DISPATCH_JWKS: '{"keys":[]}',
    EVENT_SIGNING_KEY: 'x'.repeat(43),
  })
  const { runtime } = await openRuntime(config, loaders)
  logs.push(runtime.log)
  createApp(runtime).router.match('GET', '/health/live')
  for (const endpoint of runtime.functions.flatMap(({ endpoints }) => endpoints)) {
    inputSchemaOf(endpoint)
    outputSchemaOf(endpoint)
  }
  await checkToken()
  await import('../http/serve.ts')
}

async function checkToken(): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA')
  const facts = { kid: 'rehearsal', alg: 'EdDSA' }
  const keys = { keys: [{ ...(await exportJWK(publicKey)), ...facts, kty: 'OKP' }] }
  const id = '00000000-0000-4000-8000-000000000000'
  const token = await new SignJWT({
    tenant_id: id,
    org_id: id,
    roles: [],
    permissions: [],
    tier: 'free',
    jti: id,
  })
    .setProtectedHeader(facts)
    .setSubject(id)
    .setIssuer('rehearsal')
    .setAudience('rehearsal')
    .setExpirationTime('1m')
    .sign(privateKey)
  await createVerifier({ keys, issuer: 'rehearsal', audience: 'rehearsal' })(token)
}

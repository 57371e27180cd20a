import { createHmac } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWK } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import type { StoredIdentity } from '../../../shared/identity/identity.ts'
import {
  createSigner,
  createVerifier,
  type SignToken,
  type VerifyToken,
} from '../../../shared/identity/tokens.ts'

const issuer = 'https://auth.test'
const audience = 'https://api.test'
const identity: StoredIdentity = {
  tenant: '00000000-0000-4000-8000-00000000000a',
  user: '00000000-0000-4000-8000-00000000000c',
  tier: 'pro',
  roles: ['developer'],
  permissions: ['agentese:read'],
}

let sign: SignToken
let verify: VerifyToken
let publicKey: JWK
let privateKey: JWK

async function newKey(kid: string) {
  const pair = await generateKeyPair('EdDSA', { extractable: true })
  const facts = { kid, alg: 'EdDSA' }
  return {
    secret: { ...(await exportJWK(pair.privateKey)), ...facts },
    open: { ...(await exportJWK(pair.publicKey)), ...facts },
  }
}

beforeAll(async () => {
  const key = await newKey('now')
  publicKey = key.open
  privateKey = key.secret
  sign = createSigner({ key: privateKey, issuer })
  verify = createVerifier({ keys: { keys: [publicKey] }, issuer, audience })
})

describe('createVerifier()', () => {
  test('gives back the identity that was signed, the second time from memory', async () => {
    const token = await sign(identity, audience, 60)
    await expect(verify(token)).resolves.toEqual(identity)
    await expect(verify(token)).resolves.toEqual(identity)
  })

  test('tells an expired token from a bad one', async () => {
    await expect(verify(await sign(identity, audience, -60))).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' })
  })

  test('refuses another audience, another issuer and an unknown key', async () => {
    const stranger = createSigner({ key: (await newKey('unknown')).secret, issuer })
    const elsewhere = createSigner({ key: privateKey, issuer: 'https://else.test' })
    const tokens = [
      await sign(identity, 'https://else.test', 60),
      await elsewhere(identity, audience, 60),
      await stranger(identity, audience, 60),
    ]
    for (const token of tokens)
      await expect(verify(token)).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' })
  })

  test('refuses a key that only claims the right id', async () => {
    const impostor = createSigner({ key: (await newKey('now')).secret, issuer })
    await expect(verify(await impostor(identity, audience, 60))).rejects.toMatchObject({
      code: 'CREDENTIALS_INVALID',
    })
  })

  test('refuses "alg: none", and HS256 signed with the public key', async () => {
    const claims = await claimsOf(await sign(identity, audience, 60))
    const unsecured = new UnsecuredJWT(claims).encode()
    const confused = hs256(claims, JSON.stringify(publicKey))
    for (const token of [unsecured, confused]) {
      await expect(verify(token)).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' })
    }
  })

  test('refuses a token without tenant, without expiry, or with a tenant that is none', async () => {
    const { importJWK } = await import('jose')
    const key = await importJWK(privateKey, 'EdDSA')
    const claims = await claimsOf(await sign(identity, audience, 60))
    const without = (name: string) =>
      Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name))
    for (const bad of [
      without('tenant_id'),
      without('exp'),
      without('jti'),
      { ...claims, tenant_id: "x' or 1=1" },
    ]) {
      const token = await new SignJWT(bad).setProtectedHeader({ alg: 'EdDSA', kid: 'now' }).sign(key)
      await expect(verify(token)).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' })
    }
  })

  test('takes tokens of the old and of the new key while keys rotate', async () => {
    const next = await newKey('next')
    const both = createVerifier({ keys: { keys: [publicKey, next.open] }, issuer, audience })
    const signNext = createSigner({ key: next.secret, issuer })
    await expect(both(await sign(identity, audience, 60))).resolves.toEqual(identity)
    await expect(both(await signNext(identity, audience, 60))).resolves.toEqual(identity)
  })
})

async function claimsOf(token: string): Promise<Record<string, unknown>> {
  const { decodeJwt } = await import('jose')
  return decodeJwt(token)
}

function hs256(claims: object, secret: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', kid: 'now', typ: 'JWT' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

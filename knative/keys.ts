/** New secrets: random ones, and pairs of keys that tokens are signed with and checked by. */
import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { z } from 'zod'

export const Jwk = z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string() })
export type Jwk = z.infer<typeof Jwk>

/** 32 random bytes, base64url. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** A private key whose id begins with `name`. */
export async function createSigningKey(name: string): Promise<Jwk> {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const key = await exportJWK(privateKey)
  return { ...key, kty: 'OKP', kid: `${name}-${randomBytes(4).toString('hex')}`, alg: 'EdDSA', use: 'sig' }
}

/** The set with the public half of `key`. */
export function publicSetOf({ d: _private, ...key }: Jwk): string {
  return JSON.stringify({ keys: [key] })
}

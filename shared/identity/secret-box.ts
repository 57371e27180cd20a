/**
 * Keeps tenants' secrets at rest: AES-256-GCM under a key of the tenant's own, derived from the platform's, and bound to
 * the name of the secret. A row that is copied to another tenant, or renamed, does not open.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { Failure } from '../failures.ts'

const CIPHER = 'aes-256-gcm'
/** First byte of what is sealed, so that another way of sealing can follow this one. */
const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16

export interface SecretBox {
  seal(tenant: string, name: string, text: string): Buffer
  /** @throws Failure INTERNAL where none of the keys opens it */
  open(tenant: string, name: string, sealed: Uint8Array): string
}

/** @param keys base64url; the first one seals, all of them open */
export function createSecretBox(keys: readonly string[]): SecretBox {
  return {
    seal(tenant, name, text) {
      const [key] = keys
      if (key === undefined) throw new Failure('INTERNAL', 'This function was not given TOOL_SECRET_KEY')
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, deriveKey(key, tenant), nonce).setAAD(Buffer.from(name))
      const sealed = [cipher.update(text, 'utf8'), cipher.final()]
      return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), ...sealed])
    },
    open(tenant, name, sealed) {
      for (const key of keys) {
        const text = tryOpen(deriveKey(key, tenant), name, Buffer.from(sealed))
        if (text !== undefined) return text
      }
      throw new Failure('INTERNAL', `Cannot open secret "${name}": it was sealed with another key`)
    },
  }
}

function deriveKey(key: string, tenant: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(key, 'base64url'), tenant, 'kgents tool secrets', 32))
}

function tryOpen(key: Buffer, name: string, sealed: Buffer): string | undefined {
  const nonceEnd = 1 + NONCE_BYTES
  const tagEnd = nonceEnd + TAG_BYTES
  if (sealed[0] !== VERSION || sealed.length < tagEnd) return undefined
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(1, nonceEnd))
      .setAuthTag(sealed.subarray(nonceEnd, tagEnd))
      .setAAD(Buffer.from(name))
    return decipher.update(sealed.subarray(tagEnd), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined // not this key's
  }
}

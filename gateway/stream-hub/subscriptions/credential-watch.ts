/**
 * Ends a stream when the credential behind it does: a token at the time that stands in it, and any credential when the
 * function that grants the subscription does so no more. Where that cannot be asked, the stream goes on.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { decodeJwt } from 'jose'
import { Failure } from '../../../shared/failures.ts'
import { readCredential } from '../../../shared/http/credential.ts'

export interface CredentialWatch {
  /** Of a credential that was verified. */
  headers: IncomingHttpHeaders
  /** Between questions whether it is still good. */
  recheckMs: number
  /** Calls back when it may have ended; returns what stops that. */
  onRevoked(check: () => void): () => void
  /** Asks again; a failure is a no. */
  ask(): Promise<Failure | undefined>
  onEnd(failure: Failure): void
}

/** Returns what stops it. */
export function watchCredential({ headers, recheckMs, ask, onEnd, onRevoked }: CredentialWatch): () => void {
  const check = () => {
    void ask().then((failure) => {
      if (failure !== undefined) onEnd(failure)
    })
  }
  const expiry = expiryOf(headers, () => onEnd(expired()))
  const timer = setInterval(check, recheckMs)
  const unwatch = onRevoked(check)
  return () => {
    clearTimeout(expiry)
    clearInterval(timer)
    unwatch()
  }
}

function expiryOf(headers: IncomingHttpHeaders, onExpired: () => void): NodeJS.Timeout | undefined {
  const credential = readCredential(headers)
  if (credential.kind !== 'token') return undefined
  const { exp = 0 } = decodeJwt(credential.token)
  return setTimeout(onExpired, Math.max(0, exp * 1000 - Date.now()))
}

function expired(): Failure {
  return new Failure('TOKEN_EXPIRED', 'Cannot go on with the stream: the token has expired', {
    suggestion: 'Get a new one with POST /v1/auth/token and resume with Last-Event-ID',
  })
}

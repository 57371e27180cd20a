/**
 * Ends a stream when the credential behind it does: a token at the time that stands in it, an API key when the function
 * that grants the subscription does so no more. Where that cannot be asked, the stream goes on.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { decodeJwt } from 'jose'
import { Failure } from '../../../shared/failures.ts'
import { readCredential } from '../../../shared/http/credential.ts'

export interface CredentialWatch {
  /** Of a credential that was verified. */
  headers: IncomingHttpHeaders
  /** Between questions about an API key. */
  recheckMs: number
  /** Asks again; a failure is a no. */
  ask(): Promise<Failure | undefined>
  onEnd(failure: Failure): void
}

/** Returns what stops it. */
export function watchCredential({ headers, recheckMs, ask, onEnd }: CredentialWatch): () => void {
  const credential = readCredential(headers)
  if (credential.kind === 'token') {
    const { exp = 0 } = decodeJwt(credential.token)
    const timer = setTimeout(() => onEnd(expired()), Math.max(0, exp * 1000 - Date.now()))
    return () => clearTimeout(timer)
  }
  const timer = setInterval(() => {
    void ask().then((failure) => {
      if (failure !== undefined) onEnd(failure)
    })
  }, recheckMs)
  return () => clearInterval(timer)
}

function expired(): Failure {
  return new Failure('TOKEN_EXPIRED', 'Cannot go on with the stream: the token has expired', {
    suggestion: 'Get a new one with POST /v1/auth/token and resume with Last-Event-ID',
  })
}

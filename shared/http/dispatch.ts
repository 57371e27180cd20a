/**
 * How `logos` calls a handler's function: a CloudEvent by HTTP, with a token of half a minute that names the tenant
 * and is good at that one function only. The function runs its whole pipeline again, except for the rate limit.
 */
import { z } from 'zod'
import type { DispatchAnswer, DispatchRequest, Dispatcher } from '../contract/platform.ts'
import { parseKept } from '../exact-json.ts'
import { Failure } from '../failures.ts'
import { reuseTokens } from '../identity/reused-tokens.ts'
import type { SignToken } from '../identity/tokens.ts'
import { newId } from '../new-id.ts'
import { childOf, formatTraceparent } from '../telemetry/trace.ts'
import type { CallFunction } from './call-function.ts'

/** Data of a dispatched call. */
export const DispatchedCall = z.strictObject({
  path: z.string(),
  input: z.unknown(),
  archetype: z.string().optional(),
  idempotencyKey: z.string().max(255).optional(),
  dryRun: z.boolean().optional(),
  /** The composition that this is a stage of. */
  parent: z.uuid().optional(),
  inner: z.boolean().optional(),
})

export type DispatchedCall = z.infer<typeof DispatchedCall>

/** Issuer of dispatch tokens; another than the platform's, so that neither is taken for the other. */
export const DISPATCH_ISSUER = 'urn:kgents:logos'
const TOKEN_LIFETIMES = { goodSeconds: 30, reusedSeconds: 10 }

/** Makes the dispatcher of a process that holds the dispatch key. */
export function createDispatcher(sign: SignToken, callFunction: CallFunction) {
  const tokenFor = reuseTokens(sign, TOKEN_LIFETIMES)
  return async (
    request: DispatchRequest,
    { identity, trace, signal }: Dispatcher,
  ): Promise<DispatchAnswer> => {
    const { function: name, ...data } = request
    const token = await tokenFor(identity, name)
    const headers = {
      authorization: `Bearer ${token}`,
      traceparent: formatTraceparent(childOf(trace)),
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': newId(),
      'ce-source': '/functions/logos',
      'ce-type': 'io.kgents.agentese.invoke',
      'ce-time': new Date().toISOString(),
      'ce-tenantid': identity.tenant,
    }
    const {
      status,
      headers: answered,
      body,
    } = await callFunction(name, {
      method: 'POST',
      path: '/',
      headers,
      body: JSON.stringify(data),
      signal,
    })
    const repeated = answered['idempotency-replayed'] === 'true'
    return { status, body: parse(body, name), repeated }
  }
}

function parse(body: string, name: string): unknown {
  try {
    return parseKept(body)
  } catch (cause) {
    throw new Failure('DEPENDENCY_UNAVAILABLE', `Cannot read the answer of ${name}`, {
      retryAfterSeconds: 1,
      cause,
    })
  }
}

/** A `fetch` for the client of the payment provider whose requests go through the fence of all requests to the outside. */
import type { FencedRequest, FencedResponse } from '../../egress/fenced-request.ts'

export type FencedFetch = typeof fetch

type Send = (request: Omit<FencedRequest, 'privateAllowed'>) => Promise<FencedResponse>

const TIMEOUT_SECONDS = 10
/** A list of subscriptions with all that is in them is far smaller. */
const MAX_BYTES = 4_194_304

export function createFencedFetch(send: Send): FencedFetch {
  return async (input, init = {}) => {
    const { status, headers, body } = await send({
      url: input instanceof Request ? input.url : String(input),
      method: init.method ?? 'GET',
      headers: headersOf(init),
      ...(typeof init.body === 'string' && init.body !== '' ? { body: init.body } : {}),
      timeoutSeconds: TIMEOUT_SECONDS,
      maxBytes: MAX_BYTES,
      maxRedirects: 0,
      ...(init.signal == null ? {} : { signal: init.signal }),
    })
    // The body has been unpacked.
    const { 'content-encoding': _encoding, 'content-length': _length, ...rest } = headers
    return new Response(status === 204 ? null : new Uint8Array(body), { status, headers: rest })
  }
}

/** The length is found by whoever sends the body. */
function headersOf({ headers }: RequestInit): Record<string, string> {
  const { 'content-length': _length, ...rest } = Object.fromEntries(new Headers(headers))
  return rest
}

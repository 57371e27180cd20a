/** Hands one event to the Broker, in binary mode. */
import { request, type Agent } from 'undici'

/** Well below the wait of a consumer for an acknowledgement. */
const TIMEOUT_MS = 10_000

/** The status of the Broker's answer, or the error where there was none. */
export async function postEvent(
  dispatcher: Agent,
  url: string,
  headers: Record<string, string>,
  body?: Uint8Array,
): Promise<number | Error> {
  try {
    const answer = await request(url, {
      method: 'POST',
      dispatcher,
      headers,
      body: body ?? null,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    })
    await answer.body.dump()
    return answer.statusCode
  } catch (error) {
    return error instanceof Error ? error : new Error('The Broker cannot be reached', { cause: error })
  }
}

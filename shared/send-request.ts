/**
 * One HTTP request to a server of the platform. By Node's `http`, which a function has loaded to serve: to load `fetch` takes
 * 40 ms of CPU, while somebody waits for the answer that a cold start is for.
 */
import { request as requestByHttp, type IncomingMessage } from 'node:http'
import { request as requestByHttps } from 'node:https'
import { text as readText } from 'node:stream/consumers'

export interface SentRequest {
  method: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string
  /** How long the whole answer may take. */
  timeoutMs: number
}

/** @throws Error where there is no whole answer in time */
export async function sendRequest(
  url: URL,
  { method, headers = {}, body, timeoutMs }: SentRequest,
): Promise<{ status: number; text: string }> {
  const send = url.protocol === 'https:' ? requestByHttps : requestByHttp
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = send(url, { method, headers, signal: AbortSignal.timeout(timeoutMs) }, resolve)
    request.once('error', reject)
    request.end(body)
  })
  return { text: await readText(response), status: response.statusCode ?? 0 }
}

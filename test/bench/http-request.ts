/** One HTTP request, as data: the same for whoever sends it. */
import { request as send } from 'node:http'

export interface HttpRequest {
  method: 'GET' | 'POST'
  path: string
  headers: Record<string, string>
  body?: string
}

export interface HttpAnswer {
  status: number
  body: string
}

/** Sends `request` on a connection of its own. */
export function sendOnce(port: number, { method, path, headers, body }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = send({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.once('error', reject)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

/** Answers whether the relay lives, and what it did. */
import { createServer, type Server } from 'node:http'
import { METRICS_HEADERS } from '../../shared/telemetry/metrics.ts'
import type { Metrics } from './metrics.ts'

/** Opens `GET /health/live` and `GET /metrics`. */
export function openStatusServer(port: number, host: string, metrics: Metrics): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.method === 'GET' && request.url === '/health/live') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n')
    } else if (request.method === 'GET' && request.url === '/metrics') {
      response.writeHead(200, METRICS_HEADERS).end(await metrics.render())
    } else {
      response.writeHead(404).end()
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve(server))
  })
}

/** What every part that always runs answers about itself: whether it lives, what it reaches, what it counted. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { METRICS_HEADERS } from '../telemetry/metrics.ts'

export interface Status {
  /** What the part depends on, and whether each is reached now. */
  dependencies(): Readonly<Record<string, boolean>>
  /** In the text format of Prometheus. */
  metrics?(): Promise<string>
}

/** Answers `GET /health/live`, `GET /health/ready` and `GET /metrics`; false where it is none of them. */
export function answerStatus(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  { dependencies, metrics }: Status,
): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  if (url === '/health/live') answerJson(response, 200, { status: 'ok' })
  else if (url === '/health/ready') answerReady(response, dependencies())
  else if (url === '/metrics' && metrics !== undefined) void answerMetrics(response, metrics)
  else return false
  return true
}

/** A dependency that is unavailable for a while is no reason for a restart, so only readiness reports it. */
function answerReady(response: ServerResponse, dependencies: Readonly<Record<string, boolean>>): void {
  const states = Object.entries(dependencies).map(([name, reached]) => [name, reached ? 'ok' : 'unavailable'])
  const isReady = Object.values(dependencies).every(Boolean)
  const status = isReady ? 'ok' : 'unavailable'
  answerJson(response, isReady ? 200 : 503, { status, dependencies: Object.fromEntries(states) })
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function answerMetrics(response: ServerResponse, metrics: () => Promise<string>): Promise<void> {
  response.writeHead(200, METRICS_HEADERS).end(await metrics())
}

/** Opens a server that answers nothing else, for parts that take no requests. */
export function openStatusServer(
  { PORT: port, HOST: host }: { PORT: number; HOST?: string | undefined },
  status: Status,
): Promise<Server> {
  const server = createServer((request, response) => {
    if (!answerStatus(request, response, status)) response.writeHead(404).end()
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host }, () => resolve(server))
  })
}

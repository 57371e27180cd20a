/** Starts the sender of webhooks: `node gateway/webhooks/main.ts`. SIGTERM gives back what is not delivered yet. */
import { createServer } from 'node:http'
import { z } from 'zod'
import { LogSettings, OriginList, Port, readConfig } from '../../shared/config.ts'
import { openNats } from '../../shared/events/nats.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { createRegistry, METRICS_HEADERS } from '../../shared/telemetry/metrics.ts'
import { createDeliver } from './deliver.ts'
import { createWebhookMetrics, observeSender } from './metrics.ts'
import { DEFAULT_RETRY_SECONDS } from './schedule.ts'
import { createSender } from './sender.ts'

const Environment = z.object({
  ...LogSettings.shape,
  PORT: Port,
  /** Address to listen on, for health and metrics; absent is all of them. */
  HOST: z.string().optional(),
  NATS_URL: z.string(),
  /** 32 bytes, base64url: the secrets of subscriptions are derived from it. */
  WEBHOOK_SIGNING_KEY: z.string().min(43),
  /** Seconds between the attempts of one delivery, separated by commas. */
  WEBHOOK_RETRY_SECONDS: z
    .string()
    .default(DEFAULT_RETRY_SECONDS.join(','))
    .transform((list) => list.split(',').map(Number))
    .pipe(z.array(z.number().min(0).max(86_400)).min(1).max(20)),
  /** How long one attempt may take; well below a minute, after which JetStream gives the event to another. */
  WEBHOOK_TIMEOUT_SECONDS: z.coerce.number().min(1).max(30).default(15),
  /** Origins that sinks may be at although they are private, separated by commas. */
  EGRESS_PRIVATE_ALLOWED: OriginList,
})

/** What NATS lets this part receive replies under. */
const INBOX_PREFIX = '_INBOX_webhooks'

const environment = readConfig(Environment, process.env)
const log = createLog('webhooks', environment.LOG_LEVEL)
const registry = createRegistry()
const sender = createSender({
  nats: openNats(environment.NATS_URL, 'webhooks', { inboxPrefix: INBOX_PREFIX }),
  key: environment.WEBHOOK_SIGNING_KEY,
  deliver: createDeliver({
    key: environment.WEBHOOK_SIGNING_KEY,
    timeoutSeconds: environment.WEBHOOK_TIMEOUT_SECONDS,
    privateAllowed: environment.EGRESS_PRIVATE_ALLOWED,
  }),
  schedule: environment.WEBHOOK_RETRY_SECONDS,
  metrics: createWebhookMetrics(registry),
  log,
})
observeSender(registry, sender)

const server = createServer(async (request, response) => {
  if (request.method === 'GET' && request.url === '/health/live') {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n')
  } else if (request.method === 'GET' && request.url === '/metrics') {
    response.writeHead(200, METRICS_HEADERS).end(await registry.render())
  } else {
    response.writeHead(404).end()
  }
})
server.listen({ port: environment.PORT, host: environment.HOST }, () =>
  log.info({ address: server.address() }, 'the sender of webhooks listens'),
)

process.once('SIGTERM', () => {
  log.info('the sender of webhooks drains')
  server.close()
  void sender.close(environment.WEBHOOK_TIMEOUT_SECONDS * 1000).then(() => process.exit(0))
})

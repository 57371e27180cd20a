/** Starts the sender of webhooks: `node gateway/webhooks/main.ts`. SIGTERM gives back what is not delivered yet. */
import { openNatsLink } from '../../shared/nats/link.ts'
import { readEnvironment } from '../../shared/config.ts'
import { openStatusServer } from '../../shared/http/status.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { createRegistry } from '../../shared/telemetry/metrics.ts'
import { webhooks } from './component.ts'
import { createDeliver } from './deliver.ts'
import { createWebhookMetrics, observeSender } from './metrics.ts'
import { createSender } from './sender.ts'

const environment = readEnvironment(webhooks)
const log = createLog(webhooks.name, environment.LOG_LEVEL)
const registry = createRegistry()
const sender = createSender({
  link: openNatsLink(environment.NATS_URL, webhooks.name),
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

const server = await openStatusServer(environment, {
  dependencies: () => ({ nats: sender.connected }),
  metrics: () => registry.render(),
})
log.info({ address: server.address() }, 'the sender of webhooks listens')

process.once('SIGTERM', () => {
  log.info('the sender of webhooks drains')
  server.close()
  void sender.close(environment.WEBHOOK_TIMEOUT_SECONDS * 1000).then(() => process.exit(0))
})

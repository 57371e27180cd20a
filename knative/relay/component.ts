/** The contract of the relay. */
import { z } from 'zod'
import { BROKER_CONSUMER } from '../../shared/nats/streams.ts'
import { List, NatsSettings, ServerSettings } from '../../shared/config.ts'
import { defineComponent } from '../../shared/contract/component.ts'

const Count = z.coerce.number().int().min(1)

export const relay = defineComponent({
  name: 'relay',
  summary: 'Outbox to JetStream, JetStream to the Broker, admission of jobs',
  program: 'knative/relay/main.ts',
  env: z.object({
    ...ServerSettings.shape,
    ...NatsSettings.shape,
    RELAY_DATABASE_URLS: List.pipe(z.array(z.url()).min(1)).describe(
      'Databases whose outbox and jobs are drained, as `kgents_relay`, separated by commas; direct connections, because locks and LISTEN need a session',
    ),
    MOVER_DATABASE_URL: z
      .url()
      .optional()
      .describe(
        'The first of these databases, as its owner, who may create databases; without it no tenant gets a database of its own',
      ),
    // Where all Triggers are known, events that none of them wants need not be sent: that costs more than to make them.
    BROKER_SUBJECTS: List.optional().describe(
      'Subjects of the events that go to the Broker, separated by commas; default is all',
    ),
    BROKER_URL: z.url().meta({
      description: 'Where events enter the Broker',
      cluster: 'http://broker-ingress.knative-eventing.svc.cluster.local/kgents/default',
    }),
    STREAM_REPLICAS: Count.default(1).describe(
      'Copies of each JetStream stream; more than one needs a cluster of NATS servers',
    ),
    ACK_WAIT_SECONDS: Count.default(15).describe(
      'Silence of a worker after which its job goes to another; the same for relay and workers',
    ),
    JOBS_IN_FLIGHT: Count.default(100).describe(
      'Jobs in the queue at once at most, however many slots workers have; the others wait in their database',
    ),
    CLOCK_SECONDS: z.coerce
      .number()
      .positive()
      .default(60)
      .describe('Seconds between two looks at what is due by the clock'),
    FORWARD_CONCURRENCY: Count.default(32).describe('Requests to the Broker at once, for each stream'),
  }),
  secrets: ['NATS_URL', 'RELAY_DATABASE_URLS', 'MOVER_DATABASE_URL'],
  nats: {
    publish: ['agentese.>', 'events.>', 'inference.>', 'tokens.>', 'sinks.changed'],
    subscribe: ['$JS.EVENT.ADVISORY.>', '$JS.EVENT.METRIC.CONSUMER.ACK.INFERENCE.>'],
    takes: [
      { stream: 'AGENTESE', consumer: BROKER_CONSUMER },
      { stream: 'EVENTS', consumer: BROKER_CONSUMER },
    ],
    manages: true,
    purges: ['AGENTESE', 'EVENTS', 'INFERENCE', 'TOKENS'],
  },
  reaches: ['postgres', 'broker'],
  scale: {
    // One leads each database, the other stands by.
    replicas: 2,
    cpu: { request: '100m', limit: '1' },
    memory: { request: '128Mi', limit: '512Mi' },
    graceSeconds: 10,
  },
})

export type RelayConfig = Readonly<z.infer<typeof relay.env>>
